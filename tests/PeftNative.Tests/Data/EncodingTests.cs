using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Data.Inspection;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using Xunit;
using static PeftNative.Tests.Data.ToyTokenizer;

namespace PeftNative.Tests.Data;

public class EncodingTests
{
    private static readonly RecordOrigin Here = new("f", 1);

    private static Example[] Encode(
        DataRecord record, ITokenizer tokenizer, ModelTask task = ModelTask.CausalLM,
        Func<EncodingOptions, EncodingOptions>? with = null)
    {
        var options = new EncodingOptions { Task = task, MaxLength = 100 };
        return [.. new ExampleEncoder(tokenizer, with?.Invoke(options) ?? options).Encode(record)];
    }

    private static string Trained(Example example, ITokenizer tokenizer) =>
        string.Concat(TokenView.Of(example, tokenizer).Select(p => p.Trained ? $"[{p.Text}]" : p.Text));

    private static EncodedData EncodeAll(IEnumerable<DataRecord> records, ExampleEncoder encoder) =>
        EncodedData.From(records, encoder, cancellation: TestContext.Current.CancellationToken);

    private static PromptRecord Prompt(string prompt, string? completion) => new(prompt, completion, Here);

    [Theory]
    [InlineData(false, "Say hello:[ hi][ there][</s>]")]
    [InlineData(true, "<s>Say hello:[ hi][ there][</s>]")]
    public void Completions_are_trained_with_their_end_and_prompts_are_not(bool begins, string expected)
    {
        var tokenizer = new ToyTokenizer(begins: begins);
        var example = Assert.Single(Encode(Prompt("Say hello:", " hi there"), tokenizer));
        Assert.Equal(expected, Trained(example, tokenizer));
        Assert.All(example.Labels!.Zip(example.Ids),
            p => Assert.True(p.First == Example.Masked || p.First == p.Second));
    }

    [Fact]
    public void A_seam_inside_a_word_keeps_the_prompts_own_tokens()
    {
        var tokenizer = new ToyTokenizer();
        Assert.Equal("un[happy][</s>]", Trained(Assert.Single(Encode(Prompt("un", "happy"), tokenizer)), tokenizer));
    }

    [Fact]
    public void The_mask_goes_by_position_so_an_end_token_in_the_prompt_does_no_harm()
    {
        var tokenizer = new ToyTokenizer();
        Assert.Equal(
            "a</s>[ b][</s>]", Trained(Assert.Single(Encode(Prompt("a</s>", " b</s>"), tokenizer)), tokenizer));
    }

    [Fact]
    public void Prompts_can_be_trained_too_and_the_end_can_be_left_out()
    {
        var tokenizer = new ToyTokenizer();
        var example = Assert.Single(Encode(
            Prompt("a b", " c"), tokenizer, with: o => o with { MaskPrompt = false, AppendEndOfSequence = false }));
        Assert.Equal("a[ b][ c]", Trained(example, tokenizer));
        var endless = new ToyTokenizer(ends: false);
        Assert.Equal("a[ c]", Trained(Assert.Single(Encode(Prompt("a", " c"), endless)), endless));
    }

    [Fact]
    public void An_empty_prompt_leaves_the_begin_token_only()
    {
        var tokenizer = new ToyTokenizer(begins: true);
        Assert.Equal("<s>[a][</s>]", Trained(Assert.Single(Encode(Prompt("", "a"), tokenizer)), tokenizer));
    }

    [Fact]
    public void Special_tokens_at_the_end_of_a_template_do_not_come_between_prompt_and_completion()
    {
        var tokenizer = new ToyTokenizer(Manner.Bert);
        var example = Assert.Single(Encode(Prompt("ab", " cd"), tokenizer));
        Assert.Equal("[CLS]ab[cd][</s>]", Trained(example, tokenizer));
        Assert.Equal(example.Length, example.TokenTypes!.Length);
    }

    [Fact]
    public void What_is_too_long_is_cut_on_the_right_and_says_so()
    {
        var tokenizer = new ToyTokenizer();
        var example = Assert.Single(Encode(Prompt("a b", " c d e"), tokenizer, with: o => o with { MaxLength = 4 }));
        Assert.Equal("a b[ c][ d]", Trained(example, tokenizer));
        Assert.True(example.Truncated);
    }

    [Fact]
    public void Data_to_predict_on_is_the_prompt_alone()
    {
        var tokenizer = new ToyTokenizer(begins: true);
        var example = Assert.Single(Encode(Prompt("a b", " c"), tokenizer, with: o => o with { ForPrediction = true }));
        Assert.Equal("<s>a b", Trained(example, tokenizer));
        Assert.Null(example.Labels);
    }

    [Fact]
    public void Plain_text_is_trained_throughout_and_cut_into_blocks_without_loss()
    {
        var tokenizer = new ToyTokenizer(begins: true);
        var record = new TextRecord("a b c d e f g", null, null, Here);
        var blocks = Encode(record, tokenizer, with: o => o with { MaxLength = 4 });
        Assert.Equal(["<s>[a][ b][ c]", " d[ e][ f][ g]"], blocks.Take(2).Select(b => Trained(b, tokenizer)));
        Assert.Equal(2, blocks.Length);   // the end token alone would be a block with nothing to learn
        Assert.Equal(
            "<s>[a][ b][ c][ d][ e][ f][ g][</s>]", Trained(Assert.Single(Encode(record, tokenizer)), tokenizer));
        Assert.All(blocks, b => Assert.False(b.Truncated));
        Assert.Empty(Encode(record with { Text = "" }, tokenizer));
    }

    [Fact]
    public void Classes_numbers_and_several_labels_become_targets()
    {
        var tokenizer = new ToyTokenizer(Manner.Bert);
        Example One(LabelValue label, LabelVocabulary labels) => Assert.Single(Encode(
            new TextRecord("abcdef", "gh", label, Here), tokenizer, ModelTask.SequenceClassification,
            o => o with { Labels = labels }));
        var example =
            One(LabelValue.OfName("b"), LabelVocabulary.OfModel(["a", "b"], ProblemType.SingleLabel));
        Assert.Equal(1, example.Class);
        Assert.Equal("[CLS]abcd##ef[SEP]gh[SEP]", tokenizer.Decode(example.Ids, false));
        Assert.Equal([0, 0, 0, 0, 1, 1], example.TokenTypes!);
        Assert.Null(example.Labels);
        Assert.Equal(
            [0.5f], One(LabelValue.OfReal(0.5), LabelVocabulary.OfModel(["LABEL_0"], ProblemType.Regression)).Targets!);
        var several = LabelVocabulary.OfModel(["a", "b"], ProblemType.MultiLabel);
        Assert.Equal([0f, 1f], One(LabelValue.OfList([LabelValue.OfName("b")]), several).Targets!);
        Assert.Throws<DataException>(() => One(LabelValue.OfName("c"), several));
    }

    [Fact]
    public void Tags_stand_on_the_first_token_of_each_word()
    {
        var tokenizer = new ToyTokenizer(Manner.Bert);
        var labels = LabelVocabulary.OfModel(["B-PER", "I-PER", "O"], ProblemType.SingleLabel);
        var record = new TaggedRecord(
            ["Gutenberg", "prints", "", "U.S."], [Tag("B-PER"), Tag("O"), Tag("O"), Tag("I-PER")], Here);
        var example =
            Assert.Single(Encode(record, tokenizer, ModelTask.TokenClassification, o => o with { Labels = labels }));
        Assert.Equal("[CLS]Gute##nber##gprin##tsU.S.[SEP]", tokenizer.Decode(example.Ids, false));
        Assert.Equal([-100, 0, -100, -100, 2, -100, 1, -100, -100, -100, -100], example.Labels!);
        Assert.Equal(1, example.LostTags);
        Assert.Equal(["Gute:B-PER", "prin:O", "U:I-PER"],
            TokenView.Of(example, tokenizer, labels).Where(p => p.Trained).Select(p => $"{p.Text}:{p.Label}"));
        var cut = Assert.Single(Encode(
            record, tokenizer, ModelTask.TokenClassification, o => o with { Labels = labels, MaxLength = 6 }));
        Assert.Equal((2, true), (cut.LostTags, cut.Truncated));
    }

    [Fact]
    public void A_token_that_takes_the_space_before_a_word_belongs_to_the_word()
    {
        var tokenizer = new ToyTokenizer();
        var labels = LabelVocabulary.OfModel(["A", "B"], ProblemType.SingleLabel);
        var record = new TaggedRecord(["one", "two"], [Tag("A"), Tag("B")], Here);
        var example =
            Assert.Single(Encode(record, tokenizer, ModelTask.TokenClassification, o => o with { Labels = labels }));
        Assert.Equal("one| two", string.Join('|', TokenView.Of(example, tokenizer).Select(p => p.Text)));
        Assert.Equal([0, 1], example.Labels!);
    }

    private static LabelValue Tag(string name) => LabelValue.OfName(name);

    [Fact]
    public void Sources_and_targets_are_encoded_apart_and_targets_end()
    {
        var tokenizer = new ToyTokenizer();
        var example = Assert.Single(
            Encode(Prompt("a b", "c d e"), tokenizer, ModelTask.SequenceToSequence, o => o with { MaxLength = 3 }));
        Assert.Equal(
            ("a b", "c d e"), (tokenizer.Decode(example.Ids, false), tokenizer.Decode(example.DecoderIds!, false)));
        Assert.True(example.Truncated);
        example = Assert.Single(Encode(Prompt("a b", "c"), tokenizer, ModelTask.SequenceToSequence));
        Assert.Equal("c</s>", tokenizer.Decode(example.DecoderIds!, false));
    }

    [Theory]
    [InlineData(ModelTask.SequenceClassification)]
    [InlineData(ModelTask.TokenClassification)]
    public void Records_that_do_not_fit_the_task_are_refused(ModelTask task)
    {
        var labels = LabelVocabulary.OfModel(["a"], ProblemType.SingleLabel);
        var error = Assert.Throws<DataException>(
            () => Encode(Prompt("a", "b"), new ToyTokenizer(), task, o => o with { Labels = labels }));
        Assert.Contains("does not fit the task", error.Message);
        Assert.Throws<UsageException>(() => Encode(Prompt("a", "b"), new ToyTokenizer(), task));
        Assert.Throws<UsageException>(
            () => Encode(Prompt("a", "b"), new ToyTokenizer(), with: o => o with { MaxLength = 1 }));
    }

    /// <summary>A template in the manner of ChatML.</summary>
    private sealed class ToyChat : IChatTemplate
    {
        public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false,
            JsonObject? arguments = null) =>
            new(string.Concat(messages.Select(m => $"{m!["role"]}: {m["content"]}</s>\n"))
                + (addGenerationPrompt ? "assistant: " : ""), []);
    }

    private static ConversationRecord Chat(params string[] turns) =>
        new(new JsonArray([.. turns.Select(
            (t, i) => new JsonObject { ["role"] = i % 2 == 0 ? "user" : "assistant", ["content"] = t })]), Here);

    [Fact]
    public void Conversations_without_an_answer_or_a_template_are_refused()
    {
        var chat = new ToyChat();
        Assert.Contains("no turn of the assistant",
            Assert.Throws<DataException>(
                () => Encode(Chat("q"), new ToyTokenizer(), with: o => o with { ChatTemplate = chat })).Message);
        Assert.Contains(
            "chat template", Assert.Throws<UsageException>(() => Encode(Chat("q", "a"), new ToyTokenizer())).Message);
    }

    [Fact]
    public void A_conversation_to_predict_on_ends_where_the_assistant_is_to_speak()
    {
        var tokenizer = new ToyTokenizer();
        var example = Assert.Single(Encode(
            Chat("q", "a"), tokenizer, with: o => o with { ChatTemplate = new ToyChat(), ForPrediction = true }));
        Assert.Equal("user: q</s>\nassistant: ", tokenizer.Decode(example.Ids, false));
    }

    [Fact]
    public void Records_without_anything_to_learn_are_reported()
    {
        var tokenizer = new ToyTokenizer();
        var encoder =
            new ExampleEncoder(tokenizer, new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 3 });
        var data = EncodeAll([Prompt("a", " b"), Prompt("a b c d", " e"),
            new TextRecord("", null, null, new RecordOrigin("f", 9))], encoder);
        Assert.Equal((1, 3), (data.Examples.Count, data.Records));
        Assert.Contains("the prompt alone fills the maximum length", data.Skipped[0].Reason);
        Assert.Equal(9, data.Skipped[1].Origin.Line);
        Assert.Contains("No record gives anything to learn",
            Assert.Throws<DataException>(() => EncodeAll([Prompt("a b c d", " e")], encoder)).Message);
    }

    [Fact]
    public void A_report_counts_what_a_person_wants_to_know()
    {
        var tokenizer = new ToyTokenizer();
        var encoder =
            new ExampleEncoder(tokenizer, new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 4 });
        var report = DataReport.Of(EncodeAll(
            [Prompt("a", " b"), Prompt("a b", " c"), Prompt("a b", " c d e"), Prompt("a b c d e", " f")], encoder));
        Assert.Equal((4, 3, 11L, 1), (report.Records, report.Examples, report.Tokens, report.Truncated));
        Assert.Equal(6, report.TrainedTokens);
        Assert.Equal(1 - 6.0 / 11, report.MaskedShare!.Value, 12);
        Assert.Equal((3, 4, 4, 4, 11.0 / 3), report.Lengths);
        Assert.Equal([new LengthBar(3, 3, 1), new LengthBar(4, 4, 2)], report.Histogram);
        Assert.Equal(2, report.Warnings().Count());
        Assert.StartsWith("33.3 % of the examples are cut off", report.Warnings().First());
    }

    [Fact]
    public void A_report_counts_labels()
    {
        var labels = LabelVocabulary.OfModel(["a", "b", "c"], ProblemType.SingleLabel);
        var encoder = new ExampleEncoder(new ToyTokenizer(Manner.Bert),
            new EncodingOptions { Task = ModelTask.SequenceClassification, MaxLength = 8, Labels = labels });
        var records = "abbb".Select(name => new TextRecord("x", null, LabelValue.OfName(name.ToString()), Here));
        var report = DataReport.Of(EncodeAll(records, encoder), labels);
        Assert.Equal([("a", 1L), ("b", 3L), ("c", 0L)], report.LabelCounts);
        Assert.Null(report.MaskedShare);
        Assert.Equal("No example has the label c.", Assert.Single(report.Warnings()));
    }

    [Fact]
    public void Bytes_of_one_character_are_shown_together()
    {
        var tokenizer = new ToyTokenizer(Manner.Bytes, ends: false);
        var example = Assert.Single(Encode(new TextRecord("aé😀", null, null, Here), tokenizer));
        Assert.Equal([("a", 1), ("é", 2), ("😀", 4)],
            TokenView.Of(example, tokenizer).Select(p => (p.Text, p.Count)));
        var cut = example with { Ids = example.Ids[..5], Labels = example.Labels![..5] };
        Assert.Equal(5, TokenView.Of(cut, tokenizer).Sum(p => p.Count));
    }
}
