using PeftNative.Data.Encoding;
using PeftNative.Data.Records;
using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Tests.Data;

/// <summary>The forms in which people have conversations, and what reaches the chat template of them.</summary>
public sealed class ConversationFormTests : IDisposable
{
    private const string User = """{"role":"user","content":"q"}""";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private ConversationRecord Read(string line, RecordOptions? options = null) =>
        Assert.IsType<ConversationRecord>(Assert.Single(folder.Open("a.jsonl", line, options)));

    private string Messages(string messages) => Read($$"""{"messages":[{{messages}}]}""").Messages.ToJsonString();

    [Theory]
    [InlineData("""{"from":"Human","value":"q"}""", """[{"role":"user","content":"q"}]""")]
    [InlineData("""{"Role":"User","Content":"q"}""", """[{"role":"user","content":"q"}]""")]
    [InlineData("""{"role":"user","value":"q"}""", """[{"role":"user","content":"q"}]""")]
    [InlineData("""{"speaker":"ai","text":"a"}""", """[{"role":"assistant","content":"a"}]""")]
    [InlineData("""{"role":"developer","content":"q"}""", """[{"role":"developer","content":"q"}]""")]
    [InlineData("""{"role":"Critic","content":"q"}""", """[{"role":"Critic","content":"q"}]""")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"q"},"r"]}""",
        """[{"role":"user","content":"qr"}]""")]
    [InlineData("""{"from":"observation","value":"{\"t\": 20}"}""",
        """[{"role":"tool","content":"{\u0022t\u0022: 20}"}]""")]
    [InlineData("""{"role":"tool","content":{"t":20}}""", """[{"role":"tool","content":"{\u0022t\u0022: 20}"}]""")]
    [InlineData("""{"role":"tool","content":[{"t":20},1]}""",
        """[{"role":"tool","content":"[{\u0022t\u0022: 20}, 1]"}]""")]
    [InlineData("""{"role":"assistant","reasoning_content":"hm","content":"a"}""",
        """[{"role":"assistant","reasoning_content":"hm","content":"a"}]""")]
    public void A_message_gets_its_usual_form(string message, string expected) =>
        Assert.Equal(expected, Messages(message));

    [Theory]
    [InlineData("""{"from":"function_call","value":"{\"name\":\"w\",\"arguments\":{\"c\":1}}"}""",
        """{"name":"w","arguments":{"c":1}}""")]
    [InlineData("""{"from":"tool_call","value":{"name":"w","arguments":{}}}""", """{"name":"w","arguments":{}}""")]
    [InlineData("""{"role":"assistant","content":null,"function_call":{"name":"w","arguments":"{}"}}""",
        """{"name":"w","arguments":"{}"}""")]
    [InlineData("""{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"w","arguments":"{}"}}]}""",
        """{"name":"w","arguments":"{}"}""")]
    public void A_call_in_any_spelling_becomes_the_usual_one(string message, string function)
    {
        var turn = (JsonObject)Read($$"""{"messages":[{{User}},{{message}}]}""").Messages[1]!;
        Assert.Equal("assistant", (string?)turn["role"]);
        Assert.False(turn.ContainsKey("function_call"));
        Assert.Null(turn["content"]);
        var call = Assert.Single((JsonArray)turn["tool_calls"]!)!;
        Assert.Equal("function", (string?)call["type"]);
        Assert.Equal(function, call["function"]!.ToJsonString());
    }

    [Fact]
    public void Two_calls_may_stand_in_one_turn() => Assert.Equal(2, ((JsonArray)Read(
        """{"conversations":[{"from":"function_call","value":"[{\"name\":\"a\"},{\"name\":\"b\"}]"}]}""")
        .Messages[0]!["tool_calls"]!).Count);

    [Theory]
    [InlineData(""" "functions":[{"name":"w"}] """, """{"tools":[{"type":"function","function":{"name":"w"}}]}""")]
    [InlineData(""" "documents":[{"title":"t","text":"x"}] """, """{"documents":[{"title":"t","text":"x"}]}""")]
    [InlineData(""" "documents":"[{\"text\":\"x\"}]" """, """{"documents":[{"text":"x"}]}""")]
    [InlineData(""" "Chat_Template_Kwargs":"{\"a\":1}" """, """{"a":1}""")]
    public void What_stands_beside_the_messages_is_for_the_template(string beside, string expected) =>
        Assert.Equal(expected, Read($$"""{"messages":[{{User}}],{{beside}}}""").TemplateArguments?.ToJsonString());

    [Theory]
    [InlineData("conversations")]
    [InlineData("conversation")]
    [InlineData("Messages")]
    [InlineData("dialog")]
    public void A_conversation_goes_by_several_names(string name) =>
        Assert.Single(Read($$"""{"{{name}}":[{{User}}]}""").Messages);

    [Fact]
    public void A_list_of_texts_is_a_conversation_where_that_is_said()
    {
        const string Line = """{"dialog":["hi","hello","bye"]}""";
        var error = Assert.Throws<DataException>(() => Read(Line));
        Assert.Contains("--alternate_turns", error.Message, StringComparison.Ordinal);
        var turns = Read(Line, new RecordOptions { AlternateTurns = true }).Messages;
        Assert.Equal(["user", "assistant", "user"], turns.Select(t => (string)t!["role"]!));
        error = Assert.Throws<DataException>(() => Read("""{"lines":["hi","hello"]}"""));
        Assert.Contains("--columns messages=lines", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]}""", "'image_url'")]
    [InlineData("""{"messages":[{"role":"user","content":"<image>?"}],"images":["a.jpg"]}""", "'images'")]
    [InlineData("""{"messages":[{"from":"function_call","value":"no call"}]}""", "no call of a tool")]
    [InlineData("""{"messages":[{"role":"user","content":{"a":1}}]}""", "neither text nor a list")]
    public void What_cannot_be_learned_is_named(string line, string expected) => Assert.Contains(expected,
        Assert.Throws<DataException>(() => Read(line)).Message, StringComparison.Ordinal);

    [Fact]
    public void Messages_as_prompt_are_context_and_those_of_the_completion_are_learned()
    {
        var record = Read($$"""
            {"prompt":[{{User}},{"role":"assistant","content":"old"},{{User}}],
            """.Trim() + """ "completion":[{"role":"assistant","content":"new"}]}""");
        Assert.Equal((4, 3), (record.Messages.Count, record.PromptMessages));
        Assert.Equal([false, false, false, true],
            Enumerable.Range(0, 4).Select(i => Conversation.IsTrained(record, i)));
    }

    [Theory]
    [InlineData("train", "false", false)]
    [InlineData("train_on_turn", "false", false)]
    [InlineData("trainable", "true", true)]
    [InlineData("loss", "false", false)]
    [InlineData("weight", "1", true)]
    public void A_turn_may_be_switched_off(string key, string value, bool trained) => Assert.Equal(trained,
        Conversation.IsTrained(
            Read($$"""{"messages":[{"role":"assistant","content":"a","{{key}}":{{value}}}]}"""), 0));

    [Theory]
    [InlineData("""{"prompt":"p","chosen":"a","rejected":"b"}""", RecordShape.Preference)]
    [InlineData("""{"chosen":[{"role":"user","content":"p"}],"rejected":[{"role":"user","content":"r"}]}""",
        RecordShape.Preference)]
    [InlineData("""{"prompt":"p","completion":"a","label":true}""", RecordShape.UnpairedPreference)]
    [InlineData("""{"prompt":"p","completion":"a","label":"news"}""", RecordShape.PromptCompletion)]
    [InlineData("""{"question":"p","answer":"a"}""", RecordShape.PromptCompletion)]
    [InlineData("""{"input":"p","output":"a"}""", RecordShape.PromptCompletion)]
    [InlineData("""{"instruction":"p","context":"c","response":"a"}""", RecordShape.Instruction)]
    [InlineData("""{"Instruction":"p","Input":"","Output":"a"}""", RecordShape.Instruction)]
    [InlineData("""{"dialogue":"a: hi","text":"b"}""", RecordShape.Text)]
    [InlineData("""{"content":"a"}""", RecordShape.Text)]
    public void Fields_in_other_words_have_a_shape(string line, RecordShape shape)
    {
        var source = folder.Open("a.jsonl", line);
        Assert.Equal(shape, source.Shape);
        Assert.Single(source);
    }

    [Fact]
    public void Answers_may_be_single_messages_beside_the_conversation()
    {
        const string Line = """
            {"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"a"},
            """ + """ "rejected":{"from":"gpt","value":"b"},"system":"s"}""";
        var source = folder.Open("a.jsonl", Line.ReplaceLineEndings(""));
        Assert.Equal(RecordShape.Preference, source.Shape);
        var record = Assert.IsType<PreferenceRecord>(source.Single());
        Assert.Equal(["system", "user"], record.Prompt!.AsArray().Select(m => (string)m!["role"]!));
        Assert.Equal("""[{"role":"assistant","content":"b"}]""", record.Rejected.ToJsonString());
    }

    [Fact]
    public void A_record_that_lacks_a_field_is_named_and_does_not_hide_the_shape_of_the_others()
    {
        var source = folder.Open("a.jsonl", """
            {"instruction":"a"}
            {"instruction":"b","output":"c","topic":"d","note":"","more":null}
            """, new RecordOptions { SkipBadLines = true });
        Assert.Equal(RecordShape.Instruction, source.Shape);
        Assert.Single(source);
        Assert.Contains("no 'output'", Assert.Single(source.BadLines).Message, StringComparison.Ordinal);
        Assert.Equal(["topic"], source.Unused);
        Assert.Equal("output", source.Columns["output"]);
    }
}
