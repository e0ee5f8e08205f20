using System.Globalization;
using System.Numerics;
using System.Text;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>
/// Where a value stands in its field, and how it is written: what <c>%5.2f</c> and <c>{:&gt;8,.1f}</c> say.
/// </summary>
internal sealed record FormatSpec
{
    private const int LargestPrecision = 1000;

    public string Fill { get; init; } = " ";

    /// <summary>
    /// <c>&lt;</c> left, <c>&gt;</c> right, <c>^</c> centre, <c>=</c> between sign and digits, NUL where not said.
    /// </summary>
    public char Alignment { get; init; }

    /// <summary><c>+</c>, <c>-</c> or a space: what stands before numbers that are not negative.</summary>
    public char Sign { get; init; } = '-';

    /// <summary>The <c>#</c> flag: 0x before hexadecimal digits, and so on.</summary>
    public bool IsAlternate { get; init; }

    public int Width { get; init; }

    /// <summary>What separates thousands; NUL for nothing.</summary>
    public char Grouping { get; init; }

    public int? Precision { get; init; }

    /// <summary>The letter of the conversion; NUL where not given.</summary>
    public char Type { get; init; }

    /// <summary>Reads Python's format mini-language.</summary>
    public static FormatSpec Parse(string text)
    {
        var at = 0;
        var spec = new FormatSpec();
        var fillLength = text.Length > 0 && char.IsSurrogatePair(text + " ", 0) ? 2 : 1;
        if (text.Length > fillLength && text[fillLength] is '<' or '>' or '=' or '^')
            (spec, at) = (spec with { Fill = text[..fillLength], Alignment = text[fillLength] }, fillLength + 1);
        else if (text.Length > 0 && text[0] is '<' or '>' or '=' or '^')
            (spec, at) = (spec with { Alignment = text[0] }, 1);
        if (at < text.Length && text[at] is '+' or '-' or ' ') spec = spec with { Sign = text[at++] };
        if (at < text.Length && text[at] == '#') (spec, at) = (spec with { IsAlternate = true }, at + 1);
        if (at < text.Length && text[at] == '0')
        {
            at++;
            if (spec.Alignment == '\0') spec = spec with { Fill = "0", Alignment = '=' };
        }

        spec = spec with { Width = ReadNumber(text, ref at) ?? 0 };
        if (at < text.Length && text[at] is ',' or '_') spec = spec with { Grouping = text[at++] };
        if (at < text.Length && text[at] == '.')
        {
            at++;
            var precision = ReadNumber(text, ref at) ?? throw new JinjaException("Format specifier missing precision");
            spec = spec with { Precision = precision };
        }

        if (at < text.Length) spec = spec with { Type = text[at++] };
        return at == text.Length ? spec : throw new JinjaException("Invalid format specifier");
    }

    private static int? ReadNumber(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
        if (at == start) return null;
        return int.TryParse(
            text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new JinjaException("Too many decimal digits in format string");
    }

    /// <summary>Writes a text, cut to the precision and padded to the width.</summary>
    public string FormatText(string text, Budget budget)
    {
        if (Type is not ('\0' or 's'))
            throw new JinjaException($"Unknown format code '{Type}' for object of type 'str'");
        if (Precision is { } limit && PythonText.CountCodePoints(text) > limit)
            text = ((StringValue)new StringValue(text).Slice(new SliceBounds(null, limit, null), budget)).Text;
        return Pad("", text, '<', budget);
    }

    /// <summary>Writes a whole number as decimal (d, and where no letter is given), x, X, o, b or c.</summary>
    public string FormatInteger(BigInteger number, Budget budget)
    {
        if (Type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%')
            return FormatFloat(Operators.ToDouble(number), budget);
        if (Type == 'c') return Pad("", CodePoint(number), '<', budget);
        var magnitude = BigInteger.Abs(number);
        var (prefix, digits) = Type switch
        {
            'x' => ("0x", Hexadecimal(magnitude)),
            'X' => ("0X", Hexadecimal(magnitude).ToUpperInvariant()),
            'o' => ("0o", Radix(magnitude, 3)),
            'b' => ("0b", Radix(magnitude, 1)),
            'd' or 'n' or '\0' => ("", magnitude.ToString(CultureInfo.InvariantCulture)),
            _ => throw new JinjaException($"Unknown format code '{Type}' for object of type 'int'"),
        };
        var sign = SignOf(number.Sign < 0) + (IsAlternate ? prefix : "");
        return Pad(sign, Grouped(digits, "", prefix.Length > 0 ? 4 : 3, sign.Length), '>', budget);
    }

    /// <summary>Writes a float as e, f, g, %, or the shortest text that reads back where no letter is given.</summary>
    public string FormatFloat(double number, Budget budget)
    {
        if (Precision > LargestPrecision)
            throw JinjaException.Limit($"A number is asked for with more than {LargestPrecision} digits.");
        var sign = SignOf(double.IsNegative(number) && !double.IsNaN(number));
        var text = double.IsFinite(number) ? Digits(Math.Abs(number)) : FloatText.NotFinite(Math.Abs(number));
        if (char.IsUpper(Type)) text = text.ToUpperInvariant();
        var end = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        var (whole, rest) = end < 0 ? (text, "") : (text[..end], text[end..]);
        return Pad(sign, Grouped(whole, rest, 3, sign.Length), '>', budget);
    }

    private string Digits(double number) => char.ToLowerInvariant(Type) switch
    {
        'e' => FloatText.Exponential(number, Precision ?? 6, 'e'),
        'f' => FloatText.Fixed(number, Precision ?? 6) + (IsAlternate && Precision == 0 ? "." : ""),
        '%' => FloatText.Fixed(number * 100, Precision ?? 6) + "%",
        'g' or 'n' => FloatText.General(number, Precision ?? 6, 'e', IsAlternate),
        '\0' when Precision is { } digits => WithPoint(FloatText.General(number, digits, 'e', IsAlternate, digits)),
        '\0' => FloatText.Repr(number),
        _ => throw new JinjaException($"Unknown format code '{Type}' for object of type 'float'"),
    };

    private static string WithPoint(string digits) => digits.AsSpan().ContainsAny('.', 'e') ? digits : digits + ".0";

    private string SignOf(bool isNegative) => isNegative ? "-" : Sign == '-' ? "" : Sign.ToString();

    private static string Hexadecimal(BigInteger number) =>
        number.IsZero ? "0" : number.ToString("x", CultureInfo.InvariantCulture).TrimStart('0');

    private static string Radix(BigInteger number, int bitsPerDigit)
    {
        if (number.IsZero) return "0";
        var digits = new StringBuilder();
        for (; !number.IsZero; number >>= bitsPerDigit)
            digits.Insert(0, (char)('0' + (int)(number & ((1 << bitsPerDigit) - 1))));
        return digits.ToString();
    }

    private static string CodePoint(BigInteger number) => number >= 0 && number <= 0x10FFFF && Rune.IsValid((int)number)
        ? new Rune((int)number).ToString()
        : throw new JinjaException("%c arg not in range(0x110000)");

    /// <summary>Digits with separators; zeros that fill the width are grouped too.</summary>
    private string Grouped(string digits, string rest, int size, int signLength)
    {
        if (Grouping == '\0') return digits + rest;
        var wanted = Fill == "0" && Alignment == '=' ? Math.Min(Width, LargestPrecision) - signLength - rest.Length : 0;
        while (digits.Length + ((digits.Length - 1) / size) < wanted) digits = "0" + digits;
        var result = new StringBuilder(digits);
        for (var at = digits.Length - size; at > 0; at -= size) result.Insert(at, Grouping);
        return result + rest;
    }

    private string Pad(string sign, string text, char natural, Budget budget)
    {
        var missing = Width - sign.Length - PythonText.CountCodePoints(text);
        budget.Text(sign.Length + text.Length + (2L * Math.Max(missing, 0)));
        if (missing <= 0) return sign + text;
        var left = (Alignment == '\0' ? natural : Alignment) switch { '<' => 0, '^' => missing / 2, _ => missing };
        var before = Repeat(Fill, left);
        var after = Repeat(Fill, missing - left);
        return Alignment == '=' ? sign + before + text + after : before + sign + text + after;
    }

    private static string Repeat(string text, int count) =>
        text.Length == 1 ? new string(text[0], count) : string.Concat(Enumerable.Repeat(text, count));
}
