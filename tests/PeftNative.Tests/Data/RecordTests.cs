using System.Text.Json.Nodes;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using Xunit;

namespace PeftNative.Tests.Data;

public sealed class RecordTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"text":"a"}""", RecordShape.Text)]
    [InlineData("""{"prompt":"a","completion":"b"}""", RecordShape.PromptCompletion)]
    [InlineData("""{"instruction":"a","input":"","output":"b"}""", RecordShape.Instruction)]
    [InlineData("""{"instruction":"a","output":"b","text":"a b"}""", RecordShape.Instruction)]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"text":"a"}""", RecordShape.Messages)]
    [InlineData("""{"conversations":[{"from":"human","value":"a"}]}""", RecordShape.Messages)]
    [InlineData("""{"text":"a","label":0}""", RecordShape.TextLabel)]
    [InlineData("""{"sentence":"a","label":0,"idx":4}""", RecordShape.TextLabel)]
    [InlineData("""{"text":"a","text_pair":"b","label":0}""", RecordShape.TextPairLabel)]
    [InlineData("""{"sentence1":"a","sentence2":"b","label":0}""", RecordShape.TextPairLabel)]
    [InlineData("""{"premise":"a","hypothesis":"b","label":0}""", RecordShape.TextPairLabel)]
    [InlineData("""{"tokens":["a"],"tags":["O"]}""", RecordShape.TokensTags)]
    [InlineData("""{"tokens":["a"],"ner_tags":[0],"id":"3"}""", RecordShape.TokensTags)]
    [InlineData("""{"source":"a","target":"b"}""", RecordShape.SourceTarget)]
    public void The_shape_follows_from_the_fields(string record, RecordShape shape)
    {
        var source = _folder.Open("a.jsonl", record + "\n" + record + "\n");
        Assert.Equal(shape, source.Shape);
        Assert.Equal(2, source.Count());
    }

    [Theory]
    [InlineData("""{"text":"a"}""", RecordShape.TextLabel)]
    [InlineData("""{"text":"a","label":"x"}""", RecordShape.TextLabel)]
    [InlineData("""{"prompt":"a"}""", RecordShape.PromptCompletion)]
    [InlineData("""{"instruction":"a"}""", RecordShape.Instruction)]
    [InlineData("""{"text":"a","text_pair":"b"}""", RecordShape.TextPairLabel)]
    [InlineData("""{"tokens":["a"]}""", RecordShape.TokensTags)]
    [InlineData("""{"source":"a"}""", RecordShape.SourceTarget)]
    public void Data_to_predict_on_may_lack_the_target(string record, RecordShape shape)
    {
        var source = _folder.Open("a.jsonl", record, new RecordOptions { ForPrediction = true });
        Assert.Equal(shape, source.Shape);
        Assert.Single(source);
    }

    [Fact]
    public void Only_the_first_hundred_records_decide_the_shape_and_later_ones_are_checked_against_it()
    {
        var lines = Enumerable.Repeat("""{"text":"a","label":"x"}""", 100).Append("""{"text":"b"}""");
        var source = _folder.Open("a.jsonl", string.Join('\n', lines));
        Assert.Equal(RecordShape.TextLabel, source.Shape);
        var error = Assert.Throws<DataException>(() => source.Count());
        Assert.Contains("no 'label'; it has text", error.Message);
        Assert.EndsWith(":101", error.Where);
    }

    [Fact]
    public void Columns_map_names()
    {
        var columns =
            new ColumnMap(new Dictionary<string, string> { ["prompt"] = "question", ["completion"] = "text" });
        var record = Assert.IsType<PromptRecord>(_folder.Open(
            "a.jsonl", """{"question":"q","text":"t"}""", new RecordOptions { Columns = columns }).Single());
        Assert.Equal(("q", "t"), (record.Prompt, record.Completion));
    }

    [Fact]
    public void Wrong_column_maps_are_explained()
    {
        Assert.Contains("no field 'promt'", Assert.Throws<UsageException>(
            () => new ColumnMap(new Dictionary<string, string> { ["promt"] = "q" })).Message);
        var columns = new ColumnMap(new Dictionary<string, string> { ["text"] = "body" });
        var error = Assert.Throws<DataException>(
            () => _folder.Open("a.jsonl", """{"content":"q"}""", new RecordOptions { Columns = columns }));
        Assert.Contains("no field 'body', which columns names; it has content", error.Message);
    }

    [Fact]
    public void A_named_shape_beats_the_fields()
    {
        var source = _folder.Open(
            "a.jsonl", """{"text":"a","label":"x"}""", new RecordOptions { Shape = RecordShape.Text });
        Assert.Null(Assert.IsType<TextRecord>(source.Single()).Label);
    }

    [Fact]
    public void Instructions_are_rendered_and_braces_in_them_stay()
    {
        var template = new InstructionTemplate("{instruction} / {input} >", "{instruction} >");
        Assert.Equal("use {input} / x {instruction} >", template.Render("use {input}", "x {instruction}"));
        Assert.Equal("do >", template.Render("do", ""));
        var record = Assert.IsType<PromptRecord>(
            _folder.Open("a.jsonl", """{"instruction":"Add.","input":"1 2","output":"3"}""").Single());
        Assert.Contains("### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Answer:\n", record.Prompt);
        Assert.Equal("3", record.Completion);
    }

    [Fact]
    public void Conversations_get_one_form()
    {
        var record = Assert.IsType<ConversationRecord>(_folder.Open("a.jsonl",
            """{"conversations":[{"from":"human","value":"q","id":7},{"from":"gpt","value":"a"}]}""").Single());
        Assert.Equal(
            """[{"id":7,"role":"user","content":"q"},{"role":"assistant","content":"a"}]""",
            record.Messages.ToJsonString());
    }

    [Theory]
    [InlineData("""
        "tools":[{"name":"w"}]
        """, """{"tools":[{"name":"w"}]}""")]
    [InlineData("""
        "tools":"[{\"name\":\"w\"}]","chat_template_kwargs":{"enable_thinking":false}
        """, """{"enable_thinking":false,"tools":[{"name":"w"}]}""")]
    [InlineData("""
        "tools":[]
        """, null)]
    [InlineData("""
        "tools":null
        """, null)]
    public void What_stands_beside_a_conversation_is_for_the_template(string beside, string? expected)
    {
        var record = Assert.IsType<ConversationRecord>(_folder.Open("a.jsonl",
            $$$"""{"messages":[{"role":"user","content":"q"}],{{{beside.Trim()}}}}""").Single());
        Assert.Equal(expected, record.TemplateArguments?.ToJsonString());
    }

    [Theory]
    [InlineData("\"be kind\"", "system,user")]
    [InlineData("\"\"", "user")]
    [InlineData("null", "user")]
    public void What_the_system_says_may_stand_beside_a_conversation(string system, string expected)
    {
        var record = Assert.IsType<ConversationRecord>(_folder.Open("a.jsonl",
            $$$"""{"conversations":[{"from":"human","value":"q"}],"system":{{{system}}}}""").Single());
        Assert.Equal(expected, string.Join(',', record.Messages.Select(m => (string?)m!["role"])));
        if (system.Contains("kind", StringComparison.Ordinal))
            Assert.Equal("be kind", (string?)record.Messages[0]!["content"]);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"system","content":"q"}],"system":"be kind"}""", "and a system message")]
    [InlineData("""{"messages":[{"role":"user","content":"q"}],"tools":"call me"}""",
        "'tools' must be a list of tools")]
    [InlineData("""{"messages":[{"role":"user","content":"q"}],"tools":3}""", "'tools' must be a list of tools")]
    [InlineData("""{"messages":[{"role":"user","content":"q"}],"chat_template_kwargs":[]}""", "must be an object")]
    [InlineData("""{"messages":[{"role":"assistant","content":"q","weight":0.5}]}""", "In message 1, 'weight' must be")]
    [InlineData("""{"messages":[{"role":"assistant","content":"q","train":"no"}]}""", "In message 1, 'train' must be")]
    public void What_makes_no_sense_in_a_conversation_is_named(string line, string expected) => Assert.Contains(
        expected, Assert.Throws<DataException>(() => _folder.Open("a.jsonl", line).ToList()).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Words_of_csv_are_separated_by_spaces()
    {
        var record = Assert.IsType<TaggedRecord>(
            _folder.Open("a.csv", "tokens,tags\nAnn lives here,B-PER O O\n").Single());
        Assert.Equal(["Ann", "lives", "here"], record.Tokens);
        Assert.Equal(["B-PER", "O", "O"], record.Tags!.Select(t => t.Text));
    }

    private LabelVocabulary Labels(string labels, string[]? model = null, ProblemType? problem = null)
    {
        var lines = JsonNode.Parse(labels)!.AsArray()
            .Select(label => new JsonObject { ["text"] = "a", ["label"] = label?.DeepClone() }.ToJsonString());
        return LabelVocabulary.Find(_folder.Open("labels.jsonl", string.Join('\n', lines)), model, problem);
    }

    [Theory]
    [InlineData("""["neg","pos","Zed","neg"]""", ProblemType.SingleLabel, "Zed,neg,pos")]
    [InlineData("[2,0,1,1]", ProblemType.SingleLabel, "0,1,2")]
    [InlineData("[10,9,1]", ProblemType.SingleLabel, "1,9,10")]
    [InlineData("[true,false]", ProblemType.SingleLabel, "false,true")]
    [InlineData("[1,2.5,4]", ProblemType.Regression, "LABEL_0")]
    [InlineData("""[["b","a"],[],["c"]]""", ProblemType.MultiLabel, "a,b,c")]
    [InlineData("[[0,2],[1]]", ProblemType.MultiLabel, "0,1,2")]
    [InlineData("[[0,1,1],[1,0,0]]", ProblemType.MultiLabel, "LABEL_0,LABEL_1,LABEL_2")]
    [InlineData("[[0.0,1.0],[1.0,0.0]]", ProblemType.MultiLabel, "LABEL_0,LABEL_1")]
    [InlineData("[[true,false],[false,false]]", ProblemType.MultiLabel, "LABEL_0,LABEL_1")]
    public void Labels_tell_what_is_to_be_learned(string labels, ProblemType problem, string names)
    {
        var vocabulary = Labels(labels);
        Assert.Equal(problem, vocabulary.Problem);
        Assert.Equal(names, string.Join(',', vocabulary.Names));
    }

    private static readonly RecordOrigin Here = new("f", 1);

    [Fact]
    public void Labels_of_the_model_are_kept_in_its_order()
    {
        var vocabulary = Labels("""["pos"]""", ["pos", "neg"]);
        Assert.Equal(0, vocabulary.IndexOf(LabelValue.OfName("pos"), Here));
        Assert.Equal(1, vocabulary.IndexOf(LabelValue.OfWhole(1), Here));
        var error = Assert.Throws<DataException>(() => vocabulary.IndexOf(LabelValue.OfName("Pos"), Here));
        Assert.Contains("'Pos' is none of the 2 labels: pos, neg", error.Message);
        Assert.Equal("f:1", error.Where);
        Assert.Throws<DataException>(() => vocabulary.IndexOf(LabelValue.OfWhole(2), Here));
        Assert.Throws<DataException>(() => vocabulary.IndexOf(LabelValue.OfWhole(-1), Here));
    }

    [Fact]
    public void Placeholders_of_the_model_give_way_to_names_but_not_to_numbers()
    {
        Assert.Equal(["neg", "pos"], Labels("""["pos","neg"]""", ["LABEL_0", "LABEL_1"]).Names);
        Assert.Equal(["LABEL_0", "LABEL_1", "LABEL_2"], Labels("[0,1]", ["LABEL_0", "LABEL_1", "LABEL_2"]).Names);
        Assert.Equal(
            ["LABEL_0", "LABEL_1", "LABEL_2"], Labels("""["LABEL_2"]""", ["LABEL_0", "LABEL_1", "LABEL_2"]).Names);
    }

    [Fact]
    public void Numbers_as_names_are_names_and_not_indices()
    {
        var stars = Labels("[5,1,3]");
        Assert.Equal(2, stars.IndexOf(LabelValue.OfWhole(5), Here));
        Assert.Throws<DataException>(() => stars.IndexOf(LabelValue.OfWhole(2), Here));
        Assert.Throws<DataException>(() => stars.IndexOf(LabelValue.OfWhole(0), Here));
        Assert.Equal(0, Labels("[5,1,3]", ["1", "3", "5"]).IndexOf(LabelValue.OfWhole(1), Here));
    }

    [Fact]
    public void Several_labels_become_zeros_and_ones()
    {
        var names = Labels("""[["b","a"],["c"]]""");
        Assert.Equal(
            [1f, 0f, 1f], names.TargetsOf(LabelValue.OfList([LabelValue.OfName("c"), LabelValue.OfName("a")]), Here));
        var bits = Labels("[[0,1,1],[1,0,0]]");
        Assert.Equal([0f, 0f, 1f], bits.TargetsOf(
            LabelValue.OfList([LabelValue.OfWhole(0), LabelValue.OfWhole(0), LabelValue.OfWhole(1)]), Here));
        Assert.Throws<DataException>(() => bits.TargetsOf(LabelValue.OfList([LabelValue.OfWhole(0)]), Here));
    }

    [Theory]
    [InlineData("""["a",1]""", "The label is a number, the one in line 1 a name")]
    [InlineData("""["a",["b"]]""", "The label is a list, the one in line 1 a name")]
    [InlineData("[[0.5,3.0]]", "outside 0 to 1")]
    public void Labels_of_different_kinds_are_refused(string labels, string message) =>
        Assert.Contains(message, Assert.Throws<DataException>(() => Labels(labels)).Message);

    [Fact]
    public void Labels_of_csv_are_numbers_only_if_all_are()
    {
        LabelVocabulary Csv(params string[] labels) =>
            LabelVocabulary.Find(_folder.Open("a.csv", "text,label\n" + string.Concat(labels.Select(l => $"a,{l}\n"))));
        Assert.Equal(["0", "1"], Csv("1", "0", "01").Names);
        Assert.Equal(1, Csv("1", "0", "01").IndexOf(LabelValue.FromText("01"), Here));
        Assert.Equal(["1", "2", "n/a"], Csv("1", "2", "n/a").Names);
        Assert.Equal(ProblemType.Regression, Csv("1", "2.5").Problem);
        Assert.Equal(2.5f, LabelVocabulary.NumberOf(LabelValue.FromText("2.5"), Here));
        Assert.Throws<DataException>(() => LabelVocabulary.NumberOf(LabelValue.OfName("x"), Here));
    }

    [Fact]
    public void Records_without_labels_have_no_vocabulary() =>
        Assert.Contains("no label", Assert.Throws<DataException>(
            () => LabelVocabulary.Find(_folder.Open("a.jsonl", """{"text":"a"}"""))).Message);
}
