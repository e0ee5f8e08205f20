using System.Buffers;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Added;

/// <summary>A token that is found in the text itself, before any model sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="SingleWord">Whether it counts only where no word character stands beside it.</param>
/// <param name="LeftStrip">Whether it takes the white space before it.</param>
/// <param name="RightStrip">Whether it takes the white space after it.</param>
/// <param name="Normalized">Whether it is looked for in the normalized text.</param>
/// <param name="Special">Whether decoding can skip it.</param>
public sealed record AddedToken(
    int Id, string Content, bool SingleWord = false, bool LeftStrip = false, bool RightStrip = false,
        bool Normalized = true,
    bool Special = false);

/// <summary>Finds added tokens in a text: the leftmost, of those that begin together the longest.</summary>
internal sealed class AddedTokenFinder
{
    private readonly Dictionary<string, AddedToken> tokens = [];
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly SearchValues<string> search;
    private readonly int[] lengths;
    private readonly bool skipSpecial;

    /// <summary>Takes tokens with the text to look for; of equal texts the first counts.</summary>
    public AddedTokenFinder(IEnumerable<(string Text, AddedToken Token)> items, bool skipSpecial)
    {
        foreach (var (text, token) in items)
        {
            if (text.Length > 0) tokens.TryAdd(text, token);
        }
        lookup = tokens.GetAlternateLookup<ReadOnlySpan<char>>();
        search = SearchValues.Create([.. tokens.Keys], StringComparison.Ordinal);
        lengths = [.. tokens.Keys.Select(t => t.Length).Distinct().OrderDescending()];
        this.skipSpecial = skipSpecial;
    }

    /// <summary>Cuts a part of a text into added tokens and what lies between; appends to the pieces.</summary>
    public void Split(ReadOnlySpan<char> text, int offset, List<Piece> pieces)
    {
        var done = 0;
        for (var from = 0; tokens.Count > 0;)
        {
            var index = text[from..].IndexOfAny(search);
            if (index < 0) break;
            var start = from + index;
            var token = Longest(text[start..], out var length);
            var end = from = start + length;
            if ((skipSpecial && token.Special) || (token.SingleWord && !StandsAlone(text, start, end))) continue;
            // White space a token took on its right may hold the next token, which then counts as well.
            if (token.LeftStrip) start = Math.Max(done, LeftOfSpace(text, start));
            while (token.RightStrip && end < text.Length && char.IsWhiteSpace(text[end])) end++;
            if (start > done) pieces.Add(new(offset + done, start - done));
            if (end > start) pieces.Add(new(offset + start, end - start, token.Id));
            done = end;
        }
        if (done < text.Length) pieces.Add(new(offset + done, text.Length - done));
    }

    private static int LeftOfSpace(ReadOnlySpan<char> text, int start)
    {
        while (start > 0 && char.IsWhiteSpace(text[start - 1])) start--;
        return start;
    }

    private AddedToken Longest(ReadOnlySpan<char> text, out int length)
    {
        foreach (var candidate in lengths)
        {
            length = candidate;
            if (length <= text.Length && lookup.TryGetValue(text[..length], out var token)) return token;
        }
        throw new InvalidOperationException("The search found a token the table does not hold.");
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end) =>
        (start == 0 || !UnicodeTables.IsWord(AlignedText.CodePointBefore(text, start, out _)))
        && (end == text.Length || !UnicodeTables.IsWord(AlignedText.CodePoint(text, end, out _)));
}
