using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.PreTokenizers;

/// <summary>
/// A part of the text under tokenization. A piece with a token is an added token found in the text and is left alone.
/// </summary>
internal readonly record struct Piece(int Start, int Length, int Token = -1);

/// <summary>What becomes of the matches a text is split at.</summary>
internal enum SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous }

/// <summary>
/// The text under tokenization and its pieces in order. Reused from call to call, so that nothing is allocated per
/// token.
/// </summary>
internal sealed class PieceList
{
    private List<Piece> spareItems = [];
    private AlignedText spareText = new();
    private readonly List<(int Start, int End, bool IsMatch)> segments = [];

    /// <summary>The pieces.</summary>
    public List<Piece> Items { get; private set; } = [];

    /// <summary>The text the pieces lie in.</summary>
    public AlignedText Text { get; private set; } = new();

    /// <summary>The characters of a piece.</summary>
    public ReadOnlySpan<char> CharsOf(Piece piece) => Text.Chars.Slice(piece.Start, piece.Length);

    /// <summary>Forgets text and pieces.</summary>
    public void Clear()
    {
        Text.Truncate();
        Items.Clear();
    }

    /// <summary>Writes every piece anew: the function writes a piece's new characters to the target.</summary>
    public void Rewrite(Action<PieceList, Piece, AlignedText> write)
    {
        spareText.Truncate();
        spareItems.Clear();
        foreach (var piece in Items)
        {
            var start = spareText.Length;
            if (piece.Token >= 0) spareText.Add(Text, piece.Start, piece.Length);
            else write(this, piece, spareText);
            if (spareText.Length > start)
                spareItems.Add(piece with { Start = start, Length = spareText.Length - start });
        }
        (Text, spareText) = (spareText, Text);
        (Items, spareItems) = (spareItems, Items);
    }

    /// <summary>Splits every piece at the matches of a pattern.</summary>
    public void Split(SplitPattern pattern, SplitBehavior behavior, bool invert = false)
    {
        spareItems.Clear();
        foreach (var piece in Items)
        {
            if (piece.Token >= 0)
            {
                spareItems.Add(piece);
                continue;
            }
            FindSegments(pattern, CharsOf(piece), invert);
            Arrange(behavior);
            foreach (var (start, end, isMatch) in segments)
            {
                var remove = isMatch && behavior == SplitBehavior.Removed;
                if (end > start && !remove) spareItems.Add(new(piece.Start + start, end - start));
            }
        }
        (Items, spareItems) = (spareItems, Items);
    }

    /// <summary>The text cut into what matches and what lies between.</summary>
    private void FindSegments(SplitPattern pattern, ReadOnlySpan<char> text, bool invert)
    {
        segments.Clear();
        var done = 0;
        foreach (var (start, end) in new MatchEnumerator(pattern, text))
        {
            if (start > done) segments.Add((done, start, invert));
            segments.Add((start, end, !invert));
            done = end;
        }
        if (done < text.Length) segments.Add((done, text.Length, invert));
    }

    private void Arrange(SplitBehavior behavior)
    {
        if (behavior is SplitBehavior.Removed or SplitBehavior.Isolated) return;
        if (behavior == SplitBehavior.MergedWithNext) segments.Reverse();
        var count = 0;
        var previous = false;
        for (var i = 0; i < segments.Count; i++)
        {
            var segment = segments[i];
            var merge = behavior == SplitBehavior.Contiguous ? segment.IsMatch == previous : segment.IsMatch
                && !previous;
            previous = segment.IsMatch;
            if (merge && count > 0)
            {
                var last = segments[count - 1];
                segments[count - 1] = (Math.Min(last.Start, segment.Start), Math.Max(last.End, segment.End), false);
            }
            else segments[count++] = segment;
        }
        segments.RemoveRange(count, segments.Count - count);
        if (behavior == SplitBehavior.MergedWithNext) segments.Reverse();
    }
}
