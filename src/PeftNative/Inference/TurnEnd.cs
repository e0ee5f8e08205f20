using System.Text.Json.Nodes;
using PeftNative.Data;

namespace PeftNative.Inference;

/// <summary>
/// How a chat template ends a turn of the assistant: with a special token, or with a text; both are null where it ends
/// with white space alone. Often it is another token than the one that ends a text. Immutable.
/// </summary>
/// <param name="Token">The special token, such as <c>&lt;|im_end|&gt;</c>.</param>
/// <param name="Text">The text, where the tokenizer has no special token for it.</param>
public sealed record TurnEnd(int? Token, string? Text)
{
    private const string Probe = "peftnativeprobe";

    /// <summary>Asks a template: what it writes after the words of a last turn.</summary>
    /// <param name="template">The chat template.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <returns>The end; without token and text also where the template refuses a question with an answer.</returns>
    public static TurnEnd Of(IChatTemplate template, ITokenizer tokenizer)
    {
        string text;
        try
        {
            text = template.Render([Message("user", "Hello."), Message("assistant", Probe)]).Text;
        }
        catch (PeftNativeException e) when (e is DataException or ModelFormatException)
        {
            return new TurnEnd(null, null);
        }
        var at = text.LastIndexOf(Probe, StringComparison.Ordinal);
        return at < 0 ? new TurnEnd(null, null) : OfTail(text[(at + Probe.Length)..], tokenizer);
    }

    /// <summary>Options with which a continuation ends there too.</summary>
    public GenerationOptions AddTo(GenerationOptions options) => options.StoppingAt(Token, Text);

    private static TurnEnd OfTail(string tail, ITokenizer tokenizer)
    {
        if (string.IsNullOrWhiteSpace(tail)) return new TurnEnd(null, null);
        var tokens = tokenizer.Encode(tail, addSpecialTokens: false);
        for (var i = 0; i < tokens.Ids.Length; i++)
        {
            if (tail.AsSpan(tokens.Starts[i]..tokens.Ends[i]).IsWhiteSpace()) continue;
            return tokenizer.IsSpecial(tokens.Ids[i])
                ? new TurnEnd(tokens.Ids[i], null) : new TurnEnd(null, tail.Trim());
        }
        return new TurnEnd(null, null);
    }

    private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
}
