namespace PeftNative.Tokenizers.Chat;

/// <summary>
/// From the assistant's spans of a rendered conversation to the tokens to be learnt: training on assistant turns only.
/// </summary>
public static class AssistantMask
{
    /// <summary>
    /// Marks tokens: of each span, from the first token that contains its first character up to the first token that
    /// contains its last. Where no token contains a character (it was trimmed away), the next token stands for it; a
    /// span beyond the last token, as after truncation, marks nothing.
    /// </summary>
    /// <param name="spans">
    /// Start and end (exclusive) of each span, in the unit of the offsets; may be empty or nest.
    /// </param>
    /// <param name="starts">Where each token starts in the rendered text.</param>
    /// <param name="ends">One past where it ends; a token with no text of its own has its start here.</param>
    /// <returns>One entry per token, true where it is the assistant's.</returns>
    public static bool[] OfTokens(
        IReadOnlyList<(int Start, int End)> spans, ReadOnlySpan<int> starts, ReadOnlySpan<int> ends)
    {
        var mask = new bool[starts.Length];
        if (spans.Count == 0) return mask;
        var tokenAt = FirstTokens(starts, ends);
        foreach (var (start, end) in spans)
        {
            if (start >= end || start >= tokenAt.Length) continue;
            var first = tokenAt[start];
            var last = end - 1 < tokenAt.Length ? tokenAt[end - 1] : starts.Length - 1;
            for (var token = first; token <= last; token++) mask[token] = true;
        }

        return mask;
    }

    /// <summary>Turns spans of UTF-16 code units into spans of Unicode code points of the same text.</summary>
    public static IReadOnlyList<(int Start, int End)> ToCodePoints(
        string text, IReadOnlyList<(int Start, int End)> spans)
    {
        if (spans.Count == 0) return spans;
        var points = new int[text.Length + 1];
        for (var i = 0; i < text.Length; i++)
            points[i + 1] = points[i] + (i > 0 && char.IsSurrogatePair(text[i - 1], text[i]) ? 0 : 1);
        return [.. spans.Select(s => (points[s.Start], points[s.End]))];
    }

    /// <summary>For each character the first token that contains it, or the next one where none does.</summary>
    private static int[] FirstTokens(ReadOnlySpan<int> starts, ReadOnlySpan<int> ends)
    {
        var length = 0;
        foreach (var end in ends) length = Math.Max(length, end);
        var tokens = new int[length];
        Array.Fill(tokens, -1);
        for (var token = starts.Length - 1; token >= 0; token--)
            for (var at = starts[token]; at < ends[token]; at++)
                tokens[at] = token;
        for (var at = length - 2; at >= 0; at--)
            if (tokens[at] < 0)
                tokens[at] = tokens[at + 1];
        return tokens;
    }
}
