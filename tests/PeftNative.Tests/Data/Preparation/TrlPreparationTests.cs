using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Data.Batching;
using PeftNative.Data.Preparation;
using PeftNative.Data.Reading;
using Xunit;

namespace PeftNative.Tests.Data.Preparation;

/// <summary>What TRL makes of rows.</summary>
public class TrlPreparationTests
{
    private readonly ToyTokenizer tokenizer = new();

    private sealed class Template : IChatTemplate
    {
        public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false, JsonObject? arguments = null)
        {
            var (text, spans) = ((string?)arguments?["style"] ?? "", new List<(int, int)>());
            foreach (var message in messages)
            {
                text += $"{message!["role"]}:";
                if ((string?)message["role"] == "assistant")
                    spans.Add((text.Length, text.Length + $" {message["content"]}".Length));
                text += $" {message["content"]}\n";
            }
            return new(text + (addGenerationPrompt ? "assistant:" : ""), spans);
        }
    }

    private string[] Rows(string lines, TrlOptions? options = null, bool withTemplate = true)
    {
        RawRecord[] rows = [.. lines.Split('\n').Select((line, i) =>
            new RawRecord(JsonNode.Parse(line)!.AsObject(), new RecordOrigin("rows", i + 1)))];
        var made = new TrlPreparation(tokenizer, withTemplate ? new Template() : null, options ?? new()).Rows(rows);
        return [.. made.Select(row => string.Join(" ", row.Select(Shown)))];

        string Shown(LabelledTokens s) => string.Concat(s.Ids.Zip(s.Labels).Select(p =>
            p.Second == -100 ? Text(p.First) : $"[{Text(p.First)}]"));
    }

    private string Text(int id) => tokenizer.Decode([id], skipSpecialTokens: false);

    [Theory]
    [InlineData("""{"text":"a b"}""", "[a][ b][</s>]")]
    [InlineData("""{"text":"a b</s>"}""", "[a][ b][</s>]")]
    [InlineData("""{"prompt":"a","completion":" b"}""", "a[ b][</s>]")]
    [InlineData("""{"prompt":"a","completion":" b","text":"c"}""", "a[ b]")] // the text gets the end token
    [InlineData("""{"prompt":"a","completion":"b"}""", "[ab][</s>]")] // the prompt's last word is another
    [InlineData("""{"conversations":[{"from":"user","value":"q"}]}""", "[user][:][ q][\n]")]
    [InlineData("""{"messages":[{"role":"gpt","content":"a"}],"chat_template_kwargs":{"style":"S;"}}""",
        "[S][;][gpt][:][ a][\n]")]
    [InlineData(
        """{"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]}""",
        "user: q\nassistant:[ a][\n]")]
    public void Rows_become_tokens_and_labels(string row, string expected) =>
        Assert.Equal([expected], Rows(row));

    [Fact]
    public void Only_what_is_marked_is_learned_where_that_is_asked() => Assert.Equal(
        ["user: q\nassistant:[ a]\n"], Rows(
            """{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}""",
            new TrlOptions { AssistantOnly = true }));

    [Theory]
    [InlineData(null, "5:-100 6:6 7:-100")]
    [InlineData(true, "5:-100 6:-100 7:-100")]
    public void Masks_that_rows_bring_count(bool? onlyCompletions, string expected)
    {
        var options = new TrlOptions { CompletionOnly = onlyCompletions, MaxLength = null };
        var made = new TrlPreparation(tokenizer, null, options).Rows([new RawRecord(JsonNode.Parse("""
                {"input_ids":[5,6,7],"completion_mask":[0,0,1],"assistant_masks":[0,1,0]}
                """)!.AsObject(), new RecordOrigin("rows", 1))]);
        Assert.Equal(expected, string.Join(' ', made[0][0].Ids.Zip(made[0][0].Labels, (id, l) => $"{id}:{l}")));
    }

    [Fact]
    public void Rows_are_cut_and_those_with_nothing_left_are_dropped()
    {
        const string Two = """
            {"prompt":"a b c","completion":" d"}
            {"prompt":"a","completion":" d"}
            """;
        Assert.Equal(["a[ d]"], Rows(Two, new TrlOptions { MaxLength = 2 }));
        Assert.Equal(["[ d][</s>]", "[ d][</s>]"], Rows(Two, new TrlOptions { MaxLength = 2, KeepEnd = true }));
        var packed = new TrlOptions { MaxLength = 5, Packing = PackingStrategy.BestFit };
        Assert.Equal(["a b c[ d][</s>]", "a[ d][</s>]"], Rows(Two, packed));
    }

    [Fact]
    public void What_contradicts_itself_is_refused()
    {
        const string Text = """{"text":"a"}""", Chat = """{"messages":[{"role":"user","content":"q"}]}""";
        Assert.Throws<UsageException>(() => Rows(Text, new TrlOptions
        {
            MaxLength = null, Packing = PackingStrategy.BestFit,
        }));
        Assert.Throws<UsageException>(() => Rows(Text, new TrlOptions { PaddingFree = true }));
        Assert.Throws<UsageException>(() => Rows(Text, new TrlOptions { EndToken = "<none>" }));
        Assert.Throws<UsageException>(() => Rows(Text, new TrlOptions { AssistantOnly = true }));
        Assert.Throws<UsageException>(() => Rows(Chat, withTemplate: false));
        Assert.Throws<DataException>(() => Rows(Chat, new TrlOptions { AssistantOnly = true }));
        Assert.Throws<DataException>(() => Rows("""{"messages":[]}"""));
        Assert.Throws<DataException>(() => Rows("""{"prompt":"a"}"""));
    }
}
