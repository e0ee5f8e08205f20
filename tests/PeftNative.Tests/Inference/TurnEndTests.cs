using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Inference;

public class TurnEndTests
{
    private sealed class Template(Func<string, string> answer) : IChatTemplate
    {
        public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false,
            JsonObject? arguments = null) =>
            new("user: " + messages[0]!["content"] + "\n" + answer((string)messages[1]!["content"]!), []);
    }

    [Theory]
    [InlineData("</s>", "</s>", null)]
    [InlineData("\n</s>\n<s>", "</s>", null)]
    [InlineData(" ###\n", null, "###")] // no special token of this tokenizer
    [InlineData("\n", null, null)]
    [InlineData("", null, null)]
    public void A_template_is_asked_how_it_ends_a_turn(string tail, string? token, string? text)
    {
        var tokenizer = new ToyTokenizer(begins: true);
        var end = TurnEnd.Of(new Template(words => words + tail), tokenizer);
        Assert.Equal((token is null ? null : tokenizer.IdOf(token), text), (end.Token, end.Text));
        var options = end.AddTo(new GenerationOptions { Stop = ["x"] });
        Assert.Equal(token is null ? [] : [tokenizer.IdOf(token)!.Value], options.StopTokens);
        Assert.Equal(text is null ? ["x"] : ["x", text], options.Stop);
    }

    [Fact]
    public void A_template_that_refuses_or_changes_the_words_has_no_end()
    {
        var tokenizer = new ToyTokenizer();
        Assert.Equal(new TurnEnd(null, null), TurnEnd.Of(new Template(_ => throw new DataException("no")), tokenizer));
        Assert.Equal(new TurnEnd(null, null), TurnEnd.Of(new Template(w => w.ToUpperInvariant() + "</s>"), tokenizer));
    }
}
