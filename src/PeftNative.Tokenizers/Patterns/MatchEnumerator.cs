using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>All matches of a pattern in order. An empty match right after another match does not count.</summary>
internal ref struct MatchEnumerator(SplitPattern pattern, ReadOnlySpan<char> text)
{
    private readonly ReadOnlySpan<char> text = text;
    private int from = 0, lastEnd = -1;

    /// <summary>The match found last.</summary>
    public (int Start, int End) Current { get; private set; }

    /// <summary>This.</summary>
    public readonly MatchEnumerator GetEnumerator() => this;

    /// <summary>Finds the next match.</summary>
    public bool MoveNext()
    {
        while (from <= text.Length && pattern.Next(text, from, out var start, out var end))
        {
            if (start == end && end == lastEnd)
            {
                if (end >= text.Length) return false;
                AlignedText.CodePoint(text, end, out var units);
                from = end + units;
                continue;
            }
            from = lastEnd = end;
            Current = (start, end);
            return true;
        }
        return false;
    }
}
