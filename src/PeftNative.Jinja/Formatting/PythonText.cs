using System.Globalization;
using System.Text;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>How Python sees text: white space, code points, the quoting of repr, and lines.</summary>
internal static class PythonText
{
    /// <summary>Python's white space: that of .NET and the four separators U+001C to U+001F.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';

    public static ReadOnlySpan<char> TrimStart(ReadOnlySpan<char> text)
    {
        var start = 0;
        while (start < text.Length && IsSpace(text[start])) start++;
        return text[start..];
    }

    public static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        var end = text.Length;
        while (end > 0 && IsSpace(text[end - 1])) end--;
        return text[..end];
    }

    public static ReadOnlySpan<char> Trim(ReadOnlySpan<char> text) => TrimStart(TrimEnd(text));

    /// <summary>Code points; half of a surrogate pair alone counts as one.</summary>
    public static int CountCodePoints(ReadOnlySpan<char> text)
    {
        var first = text.IndexOfAnyInRange('\ud800', '\udfff');
        if (first < 0) return text.Length;
        var count = text.Length;
        for (var i = first; i + 1 < text.Length; i++)
        {
            if (!char.IsSurrogatePair(text[i], text[i + 1])) continue;
            count--;
            i++;
        }

        return count;
    }

    /// <summary>Ordinal by code point; UTF-16 would put the characters beyond U+FFFF before U+E000.</summary>
    public static int CompareByCodePoint(string left, string right)
    {
        var common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length) return left.Length.CompareTo(right.Length);
        var (a, b) = (left[common], right[common]);
        if (char.IsSurrogate(a) == char.IsSurrogate(b)) return a.CompareTo(b);
        return char.IsSurrogate(a) ? Rank(a, b) : -Rank(b, a);
    }

    /// <summary>A surrogate stands for a code point beyond every other code unit.</summary>
    private static int Rank(char surrogate, char other) => other > surrogate ? 1 : surrogate.CompareTo(other);

    /// <summary>Writes text as Python's repr does: single quotes unless only those occur in it.</summary>
    public static void WriteQuoted(string text, TextBuilder output)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var result = new StringBuilder(text.Length + 2).Append(quote);
        output.Budget.Read(8L * text.Length);
        for (var i = 0; i < text.Length;)
        {
            var isRune = Rune.TryGetRuneAt(text, i, out var rune);
            if (isRune)
                AppendQuoted(result, rune, quote);
            else
                result.Append($"\\u{(int)text[i]:x4}");
            i += isRune ? rune.Utf16SequenceLength : 1;
        }

        output.Append(result.Append(quote).ToString());
    }

    /// <summary>Python's repr; where asked for, with escapes for all that is not ASCII.</summary>
    public static string Repr(Value value, bool onlyAscii, Budget budget)
    {
        var text = TextBuilder.ReprOf(value, budget);
        if (!onlyAscii || text.All(char.IsAscii)) return text;
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            result.Append(rune.IsAscii ? rune.ToString() : Escape(rune));
        return result.ToString();
    }

    private static string Escape(Rune rune) => rune.Value switch
    {
        <= 0xFF => $"\\x{rune.Value:x2}",
        <= 0xFFFF => $"\\u{rune.Value:x4}",
        _ => $"\\U{rune.Value:x8}",
    };

    private static void AppendQuoted(StringBuilder result, Rune rune, char quote)
    {
        _ = rune.Value switch
        {
            '\\' => result.Append(@"\\"),
            '\n' => result.Append(@"\n"),
            '\r' => result.Append(@"\r"),
            '\t' => result.Append(@"\t"),
            var c when c == quote => result.Append('\\').Append(quote),
            _ when IsPrintable(rune) => result.Append(rune.ToString()),
            _ => result.Append(Escape(rune)),
        };
    }

    public static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);

    /// <summary>Python's splitlines: every line break of Unicode, none at the end of the last line.</summary>
    public static IEnumerable<string> SplitLines(string text, bool keepEnds = false)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = start;
            while (end < text.Length && !IsLineBreak(text[end])) end++;
            var next = end;
            if (next < text.Length)
                next += text[next] == '\r' && next + 1 < text.Length && text[next + 1] == '\n' ? 2 : 1;
            yield return text[start..(keepEnds ? next : end)];
            start = next;
        }
    }

    private static bool IsLineBreak(char c) =>
        c is '\n' or '\r' or '\v' or '\f' or (>= '\u001c' and <= '\u001e') or '\u0085' or '\u2028' or '\u2029';
}
