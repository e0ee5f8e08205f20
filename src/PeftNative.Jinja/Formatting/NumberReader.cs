using System.Globalization;
using System.Numerics;

namespace PeftNative.Jinja.Formatting;

/// <summary>Numbers read from text as Python's int() and float() read them.</summary>
internal static class NumberReader
{
    private const int MostDigits = 4000;

    /// <summary>The whole number a text stands for in a base (0: by its prefix), or null.</summary>
    public static BigInteger? Parse(string text, int numberBase)
    {
        var rest = PythonText.Trim(text);
        var isNegative = rest.StartsWith('-');
        if (isNegative || rest.StartsWith('+')) rest = rest[1..];
        var prefixed = rest is not ['0', var letter, ..] ? 0
            : char.ToLowerInvariant(letter) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 };
        if (numberBase == 0) numberBase = prefixed > 0 ? prefixed : 10;
        if (prefixed == numberBase)
        {
            rest = rest[2..];
            if (rest.StartsWith('_')) rest = rest[1..];
        }

        if (WithoutUnderscores(rest) is not { Length: > 0 and <= MostDigits } digits) return null;
        var value = BigInteger.Zero;
        foreach (var c in digits)
        {
            var digit = char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : (int)char.GetNumericValue(c);
            if (digit < 0 || digit >= numberBase || !char.IsLetterOrDigit(c)) return null;
            value = (value * numberBase) + digit;
        }

        return isNegative ? -value : value;
    }

    /// <summary>The float a text stands for, or null.</summary>
    public static double? ParseFloat(string text)
    {
        var trimmed = PythonText.Trim(text);
        switch (trimmed.TrimStart("+-").ToString().ToLowerInvariant())
        {
            case "nan": return double.NaN;
            case "inf" or "infinity": return trimmed[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        }

        const NumberStyles style =
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return WithoutUnderscores(trimmed) is { } digits && digits.All(c => char.IsAsciiDigit(c) || "+-.eE".Contains(c))
            && double.TryParse(digits, style, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
    }

    /// <summary>Digits may be grouped with single underscores; null where one stands elsewhere.</summary>
    private static string? WithoutUnderscores(ReadOnlySpan<char> text)
    {
        if (!text.Contains('_')) return text.ToString();
        for (var i = 0; i < text.Length; i++)
            if (text[i] == '_' && !(IsDigitAt(text, i - 1) && IsDigitAt(text, i + 1)))
                return null;
        return text.ToString().Replace("_", "", StringComparison.Ordinal);
    }

    private static bool IsDigitAt(ReadOnlySpan<char> text, int at) =>
        at >= 0 && at < text.Length && char.IsLetterOrDigit(text[at]);
}
