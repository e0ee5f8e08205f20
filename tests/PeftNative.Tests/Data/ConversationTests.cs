using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Data.Inspection;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using Xunit;

namespace PeftNative.Tests.Data;

/// <summary>What a conversation trains: each turn in the context in which the model will be asked for it.</summary>
public class ConversationTests
{
    private readonly ToyTokenizer tokenizer = new();

    /// <summary>Turns as <c>role:words</c>; the template lets them be changed.</summary>
    private sealed class Template(
        Func<JsonObject, bool, string> turn, Func<JsonObject?, string>? head = null, string opening = "assistant:")
            : IChatTemplate
    {
        public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false,
            JsonObject? arguments = null) =>
            new((head?.Invoke(arguments) ?? "")
                + string.Concat(messages.Select(m => turn(m!.AsObject(), m == messages[^1])))
                + (addGenerationPrompt ? opening : ""), []);
    }

    private static readonly Template Plain = new((m, _) => $"{m["role"]}: {m["content"]}</s>\n");

    /// <summary>Reasoning is written for the last turn only.</summary>
    private static readonly Template Thinking = new((m, last) =>
        $"{m["role"]}:{(last && m["thought"] is { } thought ? $" <think> {thought}" : "")} {m["content"]}</s>\n");

    private static ConversationRecord Chat(string messages) =>
        new(JsonNode.Parse(messages)!.AsArray(), new RecordOrigin("chats", 1));

    private const string Four = """
        [{"role":"user","content":"q"},{"role":"assistant","content":"a"FIRST},
         {"role":"user","content":"r"},{"role":"assistant","content":"b"}]
        """;

    private static ConversationRecord Chat(string first, bool _) =>
        Chat(Four.Replace("FIRST", first, StringComparison.Ordinal));

    private EncodedData Encode(IChatTemplate template, bool maskPrompt, params ConversationRecord[] records) =>
        EncodedData.From(records, new ExampleEncoder(tokenizer, new EncodingOptions
        {
            Task = ModelTask.CausalLM, MaxLength = 100, ChatTemplate = template, MaskPrompt = maskPrompt,
        }), cancellation: TestContext.Current.CancellationToken);

    private string[] Trained(IChatTemplate template, ConversationRecord record, bool maskPrompt = true) =>
        [.. Encode(template, maskPrompt, record).Examples.Select(e =>
            string.Concat(TokenView.Of(e, tokenizer).Select(p => p.Trained ? $"[{p.Text}]" : p.Text)))];

    [Fact]
    public void Turns_that_stay_as_they_are_share_an_example() => Assert.Equal(
        ["user: q</s>\nassistant:[ a][</s>][\n]user: r</s>\nassistant:[ b][</s>][\n]"], Trained(Plain, Chat("", true)));

    [Fact]
    public void A_template_that_writes_earlier_turns_differently_gives_an_example_for_each() => Assert.Equal(
        [
            "user: q</s>\nassistant:[ ][<think>][ t][ a][</s>][\n]",
            "user: q</s>\nassistant: a</s>\nuser: r</s>\nassistant:[ b][</s>][\n]",
        ],
        Trained(Thinking, Chat(""","thought":"t" """, true)));

    [Theory]
    [InlineData(""","train":false""")]
    [InlineData(""","weight":0""")]
    [InlineData(""","weight":0.0,"train":true""")]
    public void A_turn_that_is_switched_off_is_context(string first)
    {
        Assert.Equal(["user: q</s>\nassistant: a</s>\nuser: r</s>\nassistant:[ b][</s>][\n]"],
            Trained(Plain, Chat(first, true)));
        var whole = Assert.Single(Trained(Plain, Chat(first, true), maskPrompt: false));
        Assert.StartsWith("user[:][ q][</s>][\n][assistant][:] a</s>\n[user]", whole, StringComparison.Ordinal);
        Assert.Equal(2, Trained(Plain, Chat(""","weight":1,"train":true""", true))[0].Split("[</s>]").Length - 1);
    }

    [Fact]
    public void A_turn_switched_off_that_is_nowhere_in_the_text_is_refused_where_everything_is_trained()
    {
        var data = Encode(Thinking, maskPrompt: false, Chat(""","thought":"t","train":false""", true), Chat("", true));
        Assert.Single(data.Examples);
        Assert.Contains("Message 2 is switched off", data.Skipped[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_that_the_template_refuses_is_named_and_the_others_go_on()
    {
        var fussy = new Template((m, _) => (string?)m["role"] == "system"
            ? throw new DataException("No system, please.")
            : $"{m["role"]}: {m["content"]}</s>\n");
        var refused = Chat("""[{"role":"system","content":"s"},{"role":"assistant","content":"a"}]""");
        var data = Encode(fussy, true, refused, Chat("", true));
        Assert.Equal((1, 2), (data.Examples.Count, data.Records));
        Assert.Contains("No system, please.", data.Skipped[0].Reason, StringComparison.Ordinal);
        Assert.Contains(DataReport.Of(data).Warnings(),
            w => w.Contains("1 records teach nothing", StringComparison.Ordinal));
        var error = Assert.Throws<DataException>(() => Encode(fussy, true, refused));
        Assert.Contains("No system, please.", error.Message, StringComparison.Ordinal);
        var asking = new ExampleEncoder(tokenizer, new EncodingOptions
        {
            Task = ModelTask.CausalLM, MaxLength = 100, ChatTemplate = fussy, ForPrediction = true,
        });
        error = Assert.Throws<DataException>(() => asking.Encode(refused));
        Assert.Equal("chats:1", error.Where);
    }

    [Theory]
    [InlineData("""[{"role":"user","content":"q"}]""", "no turn of the assistant")]
    [InlineData("""[{"role":"assistant","content":"q","weight":0}]""", "switched off")]
    public void A_conversation_with_nothing_to_learn_is_named(string messages, string reason)
    {
        var data = Encode(Plain, true, Chat("", true), Chat(messages));
        Assert.Contains(reason, Assert.Single(data.Skipped).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<think>\n", "a", "<think>\n", 11)] // both part at once
    [InlineData(" <think>\n", "<tool>", "<think>\n", 12)] // and not behind the bracket that both begin with
    [InlineData(" thought", "thorough", "thought", 12)] // nor within a word
    [InlineData(" [THINK]", "[TOOLS]", "[THINK]", 12)]
    public void An_answer_that_does_not_continue_its_prompt_is_trained_from_the_common_part(
        string opens, string answer, string opening, int start)
    {
        var template = new Template((m, _) => $"{m["role"]}: {m["content"]}</s>", opening: "assistant:" + opens);
        var record = Chat($$"""[{"role":"user","content":"q"},{"role":"assistant","content":"{{answer}}"}]""");
        var turn = Assert.Single(Assert.Single(TrainedText.Of(record, template)).Turns);
        Assert.Equal((1, "user: q</s>".Length + start - 1, opening), (turn.Message, turn.Start, turn.Opening));
        var warning = Assert.Single(DataReport.Of(Encode(template, true, record)).Warnings());
        Assert.Contains("1 turns do not go on", warning, StringComparison.Ordinal);
        Assert.Contains(opening.Replace("\n", "\\n", StringComparison.Ordinal), warning, StringComparison.Ordinal);
    }

    [Fact]
    public void What_stands_beside_the_messages_reaches_the_template()
    {
        var template = new Template((m, _) => $"{m["role"]}: {m["content"]}</s>",
            a => $"{a?["tools"]?.ToJsonString()}{a?["style"]};");
        var record = Chat("", true) with { TemplateArguments =
            JsonNode.Parse("""{"tools":["t"],"style":"short"}""")!.AsObject() };
        Assert.StartsWith("""["t"]short;""", TrainedText.Of(record, template)[0].Text, StringComparison.Ordinal);
        var encoder = new ExampleEncoder(tokenizer, new EncodingOptions
        {
            Task = ModelTask.CausalLM, MaxLength = 100, ChatTemplate = template, ForPrediction = true,
        });
        var asked = tokenizer.Decode(encoder.Encode(record).Single().Ids, skipSpecialTokens: false);
        Assert.StartsWith("""["t"]short;""", asked, StringComparison.Ordinal);
    }

    [Fact]
    public void The_end_token_is_trained_where_the_template_has_none()
    {
        var endless = new Template((m, _) => $"{m["role"]}: {m["content"]}\n");
        Assert.EndsWith("[ b][\n][</s>]", Trained(endless, Chat("", true))[0], StringComparison.Ordinal);
    }
}
