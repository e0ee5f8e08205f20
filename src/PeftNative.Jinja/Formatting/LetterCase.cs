using System.Text;

namespace PeftNative.Jinja.Formatting;

/// <summary>
/// Upper, lower and title case as Python has them: by Unicode's tables, with the letters that become several (ß, the
/// ligatures) and the final sigma.
/// </summary>
internal static class LetterCase
{
    public static string Upper(string text)
    {
        var upper = text.ToUpperInvariant();
        return upper.AsSpan().IndexOfAnyInRange('\u00df', '\ufb17') < 0 ? upper : Map(upper, ExpandUpper);
    }

    public static string Lower(string text)
    {
        var lower = text.ToLowerInvariant();
        return text.AsSpan().IndexOfAny('\u0130', '\u03a3') < 0 ? lower : LowerSpecial(text);
    }

    /// <summary>The first letter in title case and the others in lower case.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0) return text;
        var first = char.IsSurrogatePair(text + " ", 0) ? 2 : 1;
        return Title(text[..first]) + Lower(text[first..]);
    }

    /// <summary>Each run of letters in title case, as str.title has it.</summary>
    public static string TitleWords(string text)
    {
        var result = new StringBuilder(text.Length);
        var insideWord = false;
        var lower = Lower(text);
        var sameLength = lower.Length == text.Length;
        for (var i = 0; i < text.Length;)
        {
            var units = i + 1 < text.Length && char.IsSurrogatePair(text, i) ? 2 : 1;
            var part = text.Substring(i, units);
            result.Append(!insideWord ? Title(part) : sameLength ? lower.AsSpan(i, units) : Lower(part));
            insideWord = IsCased(part);
            i += units;
        }

        return result.ToString();
    }

    public static string SwapCase(string text) => Map(text, c => IsUpper(c) ? Lower(c) : Upper(c));

    public static string CaseFold(string text) =>
        Lower(text).Replace("ß", "ss", StringComparison.Ordinal).Replace('ς', 'σ');

    /// <summary>Whether there are letters with case and all of them are of this case.</summary>
    public static bool IsAll(string text, bool upper)
    {
        var found = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (upper ? Rune.IsLower(rune) : Rune.IsUpper(rune)) return false;
            found |= upper ? Rune.IsUpper(rune) : Rune.IsLower(rune);
        }

        return found;
    }

    public static bool IsTitle(string text)
    {
        var (found, insideWord) = (false, false);
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsUpper(rune) ? insideWord : Rune.IsLower(rune) && !insideWord) return false;
            insideWord = Rune.IsUpper(rune) || Rune.IsLower(rune);
            found |= insideWord;
        }

        return found;
    }

    private static string Title(string letter)
    {
        var upper = Upper(letter);
        return upper.Length > letter.Length && letter.Length == 1 ? upper[..1] + Lower(upper[1..]) : upper;
    }

    private static bool IsCased(string letter) =>
        Rune.TryGetRuneAt(letter, 0, out var rune) && (Rune.IsUpper(rune) || Rune.IsLower(rune));

    private static bool IsUpper(string letter) => Rune.TryGetRuneAt(letter, 0, out var rune) && Rune.IsUpper(rune);

    private static string ExpandUpper(string letter) => letter switch
    {
        "ß" => "SS",
        "ŉ" => "ʼN",
        "ǰ" => "J\u030c",
        "և" => "ԵՒ",
        "ﬀ" => "FF",
        "ﬁ" => "FI",
        "ﬂ" => "FL",
        "ﬃ" => "FFI",
        "ﬄ" => "FFL",
        "ﬅ" or "ﬆ" => "ST",
        _ => letter,
    };

    private static string LowerSpecial(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\u0130') result.Append("i\u0307");
            else if (text[i] == '\u03a3') result.Append(IsFinalSigma(text, i) ? 'ς' : 'σ');
            else if (i + 1 < text.Length && char.IsSurrogatePair(text, i))
                result.Append(text.Substring(i++, 2).ToLowerInvariant());
            else result.Append(char.ToLowerInvariant(text[i]));
        }

        return result.ToString();
    }

    private static bool IsFinalSigma(string text, int at) =>
        at > 0 && char.IsLetter(text[at - 1]) && (at + 1 >= text.Length || !char.IsLetter(text[at + 1]));

    private static string Map(string text, Func<string, string> map)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length;)
        {
            var units = i + 1 < text.Length && char.IsSurrogatePair(text, i) ? 2 : 1;
            result.Append(map(text.Substring(i, units)));
            i += units;
        }

        return result.ToString();
    }
}
