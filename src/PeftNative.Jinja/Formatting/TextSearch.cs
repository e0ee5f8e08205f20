namespace PeftNative.Jinja.Formatting;

/// <summary>Finds text in text in time linear in both, whatever a hostile template searches for.</summary>
internal static class TextSearch
{
    private const int ShortNeedle = 32;

    /// <summary>The first occurrence at or after a UTF-16 index, or -1.</summary>
    public static int IndexOf(string text, string part, int start, Budget budget)
    {
        budget.Step();
        if (part.Length > text.Length - start) return -1;
        int found;
        if (part.Length <= ShortNeedle)
        {
            found = text.IndexOf(part, start, StringComparison.Ordinal);
        }
        else
        {
            budget.Read(part.Length);
            found = KnuthMorrisPratt(text.AsSpan(start), part);
            if (found >= 0) found += start;
        }

        budget.Read((found < 0 ? text.Length : found) - start);
        return found;
    }

    /// <summary>The last occurrence that lies within the first <paramref name="end"/> UTF-16 units, or -1.</summary>
    public static int LastIndexOf(string text, string part, int end, Budget budget)
    {
        budget.Step();
        if (part.Length > end) return -1;
        if (part.Length <= ShortNeedle)
        {
            var at = text.AsSpan(0, end).LastIndexOf(part, StringComparison.Ordinal);
            budget.Read(end - Math.Max(at, 0));
            return at;
        }

        budget.Read(2L * (end + part.Length));
        var found = KnuthMorrisPratt(Reversed(text.AsSpan(0, end)), Reversed(part));
        return found < 0 ? -1 : end - found - part.Length;
    }

    private static char[] Reversed(ReadOnlySpan<char> text)
    {
        var result = text.ToArray();
        Array.Reverse(result);
        return result;
    }

    private static int KnuthMorrisPratt(ReadOnlySpan<char> text, ReadOnlySpan<char> part)
    {
        var borders = new int[part.Length];
        for (var (i, border) = (1, 0); i < part.Length; i++)
        {
            while (border > 0 && part[i] != part[border]) border = borders[border - 1];
            if (part[i] == part[border]) border++;
            borders[i] = border;
        }

        for (var (i, matched) = (0, 0); i < text.Length; i++)
        {
            while (matched > 0 && text[i] != part[matched]) matched = borders[matched - 1];
            if (text[i] == part[matched]) matched++;
            if (matched == part.Length) return i - matched + 1;
        }

        return -1;
    }
}
