namespace PeftNative.Data.Encoding;

/// <summary>From spans of a text to the tokens that they mean, as transformers has it.</summary>
internal static class SpanTokens
{
    /// <summary>
    /// Marks tokens: of each span, from the first token that contains its first character up to the first token that
    /// contains its last. Where no token contains a character, the next one stands for it.
    /// </summary>
    public static bool[] Of(
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
