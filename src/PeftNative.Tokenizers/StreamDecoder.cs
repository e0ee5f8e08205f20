using PeftNative.Data;

namespace PeftNative.Tokenizers;

/// <summary>
/// Decodes ids one by one. A piece is given out when the text so far does not end in the middle of a character; all
/// pieces together are the text of all ids. Not safe for use from several threads at once.
/// </summary>
internal sealed class StreamDecoder : ITokenStream
{
    private readonly HfTokenizer tokenizer;
    private readonly bool skipSpecialTokens;
    private readonly List<int> pending = [];
    private string given = "";
    private bool atStart = true;

    internal StreamDecoder(HfTokenizer tokenizer, bool skipSpecialTokens)
    {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /// <inheritdoc/>
    public string Push(int id)
    {
        pending.Add(id);
        var text = Text();
        if (text.EndsWith('\uFFFD')) return "";
        var piece = Rest(text);
        if (tokenizer.CanResumeDecoding && text.Length > 0)
        {
            // The text is whole here, so what follows can be decoded without what came before.
            pending.Clear();
            (given, atStart) = ("", false);
        }
        else given = text;
        return piece;
    }

    /// <inheritdoc/>
    public string Close() => Rest(Text());

    private string Text() => tokenizer.DecodePart(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(pending),
        skipSpecialTokens, atStart);

    private string Rest(string text) => text.StartsWith(given, StringComparison.Ordinal) ? text[given.Length..] : text;
}
