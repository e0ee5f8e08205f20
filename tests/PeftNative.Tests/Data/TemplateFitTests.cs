using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Data.Inspection;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using Xunit;

namespace PeftNative.Tests.Data;

/// <summary>Messages in the form that a chat template reads.</summary>
public class TemplateFitTests
{
    private sealed class Template(Func<JsonObject, string> turn, Func<JsonArray, (int, int)[]>? spans = null)
        : IChatTemplate
    {
        public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false, JsonObject? arguments = null)
        {
            var text = string.Concat(messages.Select(m => $"{m!["role"]}: {turn(m.AsObject())}</s>"))
                + (addGenerationPrompt ? "assistant:" : "");
            return new((string?)arguments?["style"] + text, spans?.Invoke(messages) ?? []);
        }
    }

    private static JsonArray Call(string arguments) => JsonNode.Parse(
        $$$"""
        [{"role":"user","content":"q"},
         {"role":"assistant","tool_calls":[{"type":"function","function":{"name":"w","arguments":{{{arguments}}}}}]}]
        """)!.AsArray();

    private static JsonNode? Arguments(JsonArray messages) =>
        messages[1]!["tool_calls"]![0]!["function"]!["arguments"];

    private static JsonNode? Given(JsonObject message) => message["tool_calls"]?[0]?["function"]?["arguments"];

    [Fact]
    public void A_template_that_reads_parts_only_gets_parts()
    {
        var parts = new TemplateFit(new Template(m => m["content"] is JsonArray list
            ? string.Concat(list.Select(p => p!["text"])) : ""));
        var messages = JsonNode.Parse("""[{"role":"user","content":"q"}]""")!.AsArray();
        Assert.Equal("""[{"type":"text","text":"q"}]""", parts.Apply(messages)[0]!["content"]!.ToJsonString());
        var texts = new TemplateFit(new Template(m => $"{m["content"]}"));
        Assert.True(JsonNode.DeepEquals(messages, texts.Apply(messages)));
    }

    [Fact]
    public void Arguments_of_a_call_become_what_the_template_writes_as_JSON()
    {
        // Writes JSON of what it gets: a text would be quoted once more.
        var objects = new TemplateFit(new Template(m => Given(m)?.ToJsonString() ?? $"{m["content"]}"));
        Assert.Equal("""{"c":1}""", Arguments(objects.Apply(Call("""
            "{\"c\": 1}"
            """)))!.ToJsonString());
        // Appends what it gets to a text.
        var texts = new TemplateFit(new Template(m => Given(m) is JsonObject
            ? throw new ModelFormatException("no text") : $"{Given(m)}{m["content"]}"));
        Assert.Equal("""{"c": 1}""", (string?)Arguments(texts.Apply(Call("""{"c":1}"""))));
        // Does either.
        var both = new TemplateFit(new Template(m => Given(m) is JsonObject o ? o.ToJsonString()
            : $"{Given(m)}{m["content"]}"));
        Assert.True(JsonNode.DeepEquals(Call("""{"c":1}"""), both.Apply(Call("""{"c":1}"""))));
        Assert.True(JsonNode.DeepEquals(Call("\"{}\""), both.Apply(Call("\"{}\""))));
    }

    [Fact]
    public void A_call_without_content_is_learned_where_the_template_wants_a_content() => Assert.Equal(
        "user: q</s>assistant:[ ][{][}][</s>]", Trained(new Template(m => m["content"] is null
            ? throw new ModelFormatException("undefined") : $"{m["content"]}{Given(m)}"), Call("\"{}\"")));

    [Fact]
    public void What_the_template_does_not_write_is_named()
    {
        var messages = JsonNode.Parse("""
            [{"role":"system","content":"s1"},{"role":"user","content":"q"},
             {"role":"assistant","reasoning_content":"hm","content":"a","tool_calls":[{"function":{"name":"w"}}]}]
            """)!.AsArray();
        var arguments = JsonNode.Parse("""{"tools":[{"name":"w"}],"documents":[{"text":"d1"}]}""")!.AsObject();
        Assert.Equal("reasoning_content tool_calls system tools documents",
            Lost(new Template(m => m["role"]!.ToString() == "system" ? "" : $"{m["content"]}")));
        Assert.Equal("", Lost(new Template(m => $"{m.ToJsonString()} hm w d1")));

        string Lost(Template template) => string.Join(' ', TemplateLosses.Of(new ConversationRecord(messages,
            new RecordOrigin("a", 1)) { TemplateArguments = arguments }, TrainedText.Of(new ConversationRecord(
                messages, new RecordOrigin("a", 1)) { TemplateArguments = arguments }, template)[0]));
    }

    [Fact]
    public void Variables_of_the_settings_give_way_to_those_of_a_record()
    {
        var messages = JsonNode.Parse("""[{"role":"assistant","content":"a"}]""")!.AsArray();
        var (plain, style) = (new Template(m => $"{m["content"]}"), new JsonObject { ["style"] = "S;" });
        Assert.StartsWith("S;", Trained(plain, messages, o => o with { TemplateArguments = style }));
        Assert.StartsWith("R;", Trained(plain, messages, o => o with { TemplateArguments = style },
            new JsonObject { ["style"] = "R;" }));
    }

    [Fact]
    public void Of_a_turn_only_what_is_marked_is_learned_where_that_is_asked()
    {
        var messages = JsonNode.Parse("""[{"role":"user","content":"q"},{"role":"assistant","content":"a b"}]""")!
            .AsArray();
        var marking = new Template(m => $"{m["content"]}", m => m.Count == 2 ? [(23, 25)] : []);
        Assert.Equal("user: q</s>assistant:[ a][ b][</s>]", Trained(marking, messages));
        Assert.Equal("user: q</s>assistant: a[ b]</s>",
            Trained(marking, messages, o => o with { AssistantOnly = true }));
        var silent = new Template(m => $"{m["content"]}");
        Assert.Equal("user: q</s>assistant:[ a][ b][</s>]",
            Trained(silent, messages, o => o with { AssistantOnly = true, MaskPrompt = false }));
    }

    private static string Trained(IChatTemplate template, JsonArray messages,
        Func<EncodingOptions, EncodingOptions>? change = null, JsonObject? arguments = null)
    {
        var tokenizer = new ToyTokenizer();
        var options = new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 100, ChatTemplate = template };
        var example = Assert.Single(new ExampleEncoder(tokenizer, change?.Invoke(options) ?? options).Encode(
            new ConversationRecord(messages, new RecordOrigin("a", 1)) { TemplateArguments = arguments }));
        return string.Concat(TokenView.Of(example, tokenizer).Select(p => p.Trained ? $"[{p.Text}]" : p.Text));
    }
}
