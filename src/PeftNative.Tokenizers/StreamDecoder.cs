namespace PeftNative.Tokenizers;

/// <summary>
/// Decodes ids one by one. A piece is given out when the text so far does not end in the middle of a character; all
/// pieces together are the text of all ids. Not safe for use from several threads at once.
/// </summary>
public sealed class StreamDecoder
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

    /// <summary>Takes one id.</summary>
    /// <returns>The text that has become certain; often empty.</returns>
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

    /// <summary>Ends the stream.</summary>
    /// <returns>What had been held back, such as the remains of a broken character.</returns>
    public string Close() => Rest(Text());

    private string Text() => tokenizer.DecodePart(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(pending),
        skipSpecialTokens, atStart);

    private string Rest(string text) => text.StartsWith(given, StringComparison.Ordinal) ? text[given.Length..] : text;
}
