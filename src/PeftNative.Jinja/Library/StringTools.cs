using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>What the string methods and the text filters share.</summary>
internal static class StringTools
{
    /// <summary>Without the given characters at its ends; null stands for white space.</summary>
    public static string Strip(string text, string? characters, bool start, bool end)
    {
        var rest = text.AsSpan();
        if (characters is null)
        {
            if (start) rest = PythonText.TrimStart(rest);
            if (end) rest = PythonText.TrimEnd(rest);
        }
        else
        {
            if (start) rest = rest.TrimStart(characters);
            if (end) rest = rest.TrimEnd(characters);
        }

        return rest.Length == text.Length ? text : rest.ToString();
    }

    public static string Replace(string text, string old, string replacement, int count, Budget budget)
    {
        if (old.Length == 0) return Interleave(text, replacement, count, budget);
        var output = new TextBuilder(budget);
        var at = 0;
        for (var done = 0; done != count; done++)
        {
            var found = TextSearch.IndexOf(text, old, at, budget);
            if (found < 0) break;
            output.Append(text.AsSpan(at, found - at));
            output.Append(replacement);
            at = found + old.Length;
        }

        if (at == 0) return text;
        output.Append(text.AsSpan(at));
        return output.ToString();
    }

    /// <summary>Replacing the empty string puts the replacement before each character and at the end.</summary>
    private static string Interleave(string text, string replacement, int count, Budget budget)
    {
        var output = new TextBuilder(budget);
        var at = 0;
        for (var done = 0; done != count; done++)
        {
            budget.Step();
            output.Append(replacement);
            if (at == text.Length) break;
            var units = at + 1 < text.Length && char.IsSurrogatePair(text, at) ? 2 : 1;
            output.Append(text.AsSpan(at, units));
            at += units;
        }

        output.Append(text.AsSpan(at));
        return output.ToString();
    }

    public static string Join(string separator, IEnumerable<string> parts, Budget budget)
    {
        var output = new TextBuilder(budget);
        var isFirst = true;
        foreach (var part in parts)
        {
            if (!isFirst) output.Append(separator);
            isFirst = false;
            output.Append(part);
        }

        return output.ToString();
    }

    public static int Count(string text, string part, Budget budget)
    {
        if (part.Length == 0) return PythonText.CountCodePoints(text) + 1;
        var count = 0;
        var at = 0;
        while (TextSearch.IndexOf(text, part, at, budget) is var found and >= 0)
        {
            count++;
            at = found + part.Length;
        }

        return count;
    }

    /// <summary>Splits at a separator, or at runs of white space where it is null.</summary>
    public static IEnumerable<string> Split(string text, string? separator, int maximum, Budget budget)
    {
        var at = separator is null ? SkipSpace(text, 0) : 0;
        for (var done = 0; done != maximum; done++)
        {
            var end = separator is null ? NextSpace(text, at) : TextSearch.IndexOf(text, separator, at, budget);
            if (end < 0) break;
            yield return text[at..end];
            at = separator is null ? SkipSpace(text, end) : end + separator.Length;
        }

        if (separator is not null || at < text.Length) yield return text[at..];
    }

    public static List<string> SplitFromEnd(string text, string? separator, int maximum, Budget budget)
    {
        List<string> parts = [];
        var end = separator is null ? PythonText.TrimEnd(text).Length : text.Length;
        while (parts.Count != maximum)
        {
            budget.Items(1);
            var found = separator is null ? PreviousSpace(text, end)
                : TextSearch.LastIndexOf(text, separator, end, budget);
            if (found < 0) break;
            parts.Add(text[(found + (separator?.Length ?? 1))..end]);
            end = separator is null ? PythonText.TrimEnd(text.AsSpan(0, found)).Length : found;
        }

        if (separator is not null || end > 0) parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    public static string Pad(string text, int width, string fill, char alignment, Budget budget)
    {
        var missing = width - (long)PythonText.CountCodePoints(text);
        if (missing <= 0) return text;
        // str.center gives the odd place to the left where both the width and what is missing are odd.
        var left = alignment switch { '<' => 0, '>' => missing, _ => (missing / 2) + (missing & width & 1) };
        var output = new TextBuilder(budget);
        budget.Text(missing * fill.Length);
        for (var i = 0L; i < left; i++) output.Append(fill);
        output.Append(text);
        for (var i = left; i < missing; i++) output.Append(fill);
        return output.ToString();
    }

    public static string ZeroFill(string text, int width, Budget budget)
    {
        var sign = text.Length > 0 && text[0] is '+' or '-' ? 1 : 0;
        return text[..sign] + Pad(text[sign..], width - sign, "0", '>', budget);
    }

    public static string ExpandTabs(string text, int size, Budget budget)
    {
        var output = new TextBuilder(budget);
        var column = 0;
        for (var i = 0; i < text.Length; i++)
        {
            budget.Step();
            if (text[i] == '\t')
            {
                var spaces = size > 0 ? size - (column % size) : 0;
                output.Append(' ', spaces);
                column += spaces;
                continue;
            }

            output.Append(text.AsSpan(i, 1));
            column = text[i] is '\n' or '\r' ? 0 : char.IsLowSurrogate(text[i]) ? column : column + 1;
        }

        return output.ToString();
    }

    private static int SkipSpace(string text, int at)
    {
        while (at < text.Length && PythonText.IsSpace(text[at])) at++;
        return at;
    }

    private static int NextSpace(string text, int at)
    {
        for (; at < text.Length; at++)
            if (PythonText.IsSpace(text[at]))
                return at;
        return -1;
    }

    private static int PreviousSpace(string text, int end)
    {
        for (var at = end - 1; at >= 0; at--)
            if (PythonText.IsSpace(text[at]))
                return at;
        return -1;
    }
}
