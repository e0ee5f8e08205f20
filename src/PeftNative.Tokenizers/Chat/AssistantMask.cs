using PeftNative.Data.Encoding;

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
        IReadOnlyList<(int Start, int End)> spans, ReadOnlySpan<int> starts, ReadOnlySpan<int> ends) =>
        SpanTokens.Of(spans, starts, ends);

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
}
