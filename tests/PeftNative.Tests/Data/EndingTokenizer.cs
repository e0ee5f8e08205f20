using PeftNative.Data;

namespace PeftNative.Tests.Data;

/// <summary>A tokenizer with another end token.</summary>
internal sealed class EndingTokenizer(ITokenizer inner, int end) : ITokenizer
{
    public int VocabularySize => inner.VocabularySize;

    public int? BeginOfSequenceId => inner.BeginOfSequenceId;

    public int? EndOfSequenceId => end;

    public int? PaddingId => inner.PaddingId;

    public bool HasTokenTypes => inner.HasTokenTypes;

    public TokenSequence Encode(string text, string? pair = null, bool addSpecialTokens = true,
        int? maxLength = null) =>
        inner.Encode(text, pair, addSpecialTokens, maxLength);

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true) => inner.Decode(ids, skipSpecialTokens);

    public ITokenStream CreateStream(bool skipSpecialTokens = true) => inner.CreateStream(skipSpecialTokens);

    public int? IdOf(string token) => inner.IdOf(token);
}
