namespace PeftNative.Tokenizers.Patterns;

/// <summary>Finds matches in a text; positions are UTF-16 code units.</summary>
internal abstract class SplitPattern
{
    /// <summary>Finds the first match that begins at or after a position.</summary>
    /// <returns>Whether there is one.</returns>
    public abstract bool Next(ReadOnlySpan<char> text, int from, out int start, out int end);
}

/// <summary>Matches single characters of a class.</summary>
internal sealed class CharPattern(Func<int, bool> contains) : SplitPattern
{
    /// <inheritdoc/>
    public override bool Next(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        for (start = from; start < text.Length;)
        {
            var matches = contains(Text.AlignedText.CodePoint(text, start, out var units));
            end = start + units;
            if (matches) return true;
            start = end;
        }
        end = start;
        return false;
    }
}

/// <summary>Matches a fixed text.</summary>
internal sealed class LiteralPattern(string literal) : SplitPattern
{
    /// <inheritdoc/>
    public override bool Next(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        var index = literal.Length == 0 ? -1 : text[from..].IndexOf(literal);
        start = from + index;
        end = start + literal.Length;
        return index >= 0;
    }
}

/// <summary>
/// Matches runs of word characters and runs of what is neither word nor white space: <c>\w+|[^\w\s]+</c>.
/// </summary>
internal sealed class WordPattern : SplitPattern
{
    /// <inheritdoc/>
    public override bool Next(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        var kind = 0;
        start = end = from;
        while (end < text.Length)
        {
            var here = Kind(Text.AlignedText.CodePoint(text, end, out var units));
            if (kind == 0) (kind, start) = (here, end);
            else if (here != kind) return true;
            end += units;
        }
        return kind != 0;
    }

    private static int Kind(int c) => Text.UnicodeTables.IsWord(c) ? 1 : Text.UnicodeTables.IsWhiteSpace(c) ? 0 : 2;
}
