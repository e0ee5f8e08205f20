namespace PeftNative.Inference;

/// <summary>
/// Watches a text that comes in pieces for the first of some stop texts. What could still become one is held back, so
/// that no part of a stop text is ever given out. One thread at a time.
/// </summary>
/// <param name="texts">The stop texts; none of them empty.</param>
public sealed class StopTexts(IReadOnlyList<string> texts)
{
    private string held = "";

    /// <summary>Whether a stop text has appeared; nothing is given out after that.</summary>
    public bool IsReached { get; private set; }

    /// <summary>Takes a piece; returns the text that has become certain.</summary>
    public string Push(string piece)
    {
        if (IsReached) return "";
        var text = held + piece;
        var first = -1;
        foreach (var stop in texts)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first)) first = at;
        }
        IsReached = first >= 0;
        var certain = IsReached ? first : text.Length - LongestBeginning(text);
        held = IsReached ? "" : text[certain..];
        return text[..certain];
    }

    /// <summary>Ends the text; returns what was held back.</summary>
    public string Close()
    {
        var rest = held;
        held = "";
        return rest;
    }

    // How many characters at the end of the text are the beginning of a stop text.
    private int LongestBeginning(string text)
    {
        var longest = 0;
        foreach (var stop in texts)
            for (var n = Math.Min(stop.Length - 1, text.Length); n > longest; n--)
                if (text.AsSpan(text.Length - n).SequenceEqual(stop.AsSpan(0, n))) longest = n;
        return longest;
    }
}
