using PeftNative.Data.Encoding;
using PeftNative.Data.Records;

namespace PeftNative.Data.Inspection;

/// <summary>A piece of an example's text: one token, or the few that make up one character.</summary>
/// <param name="Text">The text, special tokens as the vocabulary spells them.</param>
/// <param name="Trained">
/// Whether the model learns to produce it (causal LM) or its label (token classification).
/// </param>
/// <param name="Label">The name of its label in token classification; otherwise null.</param>
/// <param name="Start">Index of its first token.</param>
/// <param name="Count">Number of its tokens.</param>
public sealed record TokenPiece(string Text, bool Trained, string? Label, int Start, int Count);

/// <summary>Shows examples as the model sees them, which is the surest way to find a mistake in masking.</summary>
public static class TokenView
{
    /// <summary>
    /// UTF-8 characters have at most four bytes, so byte-level tokens that make up one are at most four.
    /// </summary>
    private const int MaxTokensPerCharacter = 4;

    /// <summary>The pieces of an example, in order.</summary>
    /// <param name="example">The example.</param>
    /// <param name="tokenizer">The tokenizer that made it.</param>
    /// <param name="tags">The labels of token classification; null for other tasks.</param>
    public static IReadOnlyList<TokenPiece> Of(Example example, ITokenizer tokenizer, LabelVocabulary? tags = null)
    {
        var pieces = new List<TokenPiece>();
        for (int start = 0, count; start < example.Length; start += count)
        {
            (var text, count) = NextText(example.Ids.AsSpan(start), tokenizer);
            var label = example.Labels?[start] ?? Example.Masked;
            var trained = label != Example.Masked;
            pieces.Add(new TokenPiece(text, trained, trained ? tags?.Names[label] : null, start, count));
        }
        return pieces;
    }

    private static (string Text, int Count) NextText(ReadOnlySpan<int> ids, ITokenizer tokenizer)
    {
        var first = tokenizer.Decode(ids[..1], skipSpecialTokens: false);
        var text = first;
        for (var count = 1; ; count++)
        {
            if (!text.Contains('\uFFFD')) return (text, count);
            if (count == Math.Min(MaxTokensPerCharacter, ids.Length)) return (first, 1);
            text = tokenizer.Decode(ids[..(count + 1)], skipSpecialTokens: false);
        }
    }
}
