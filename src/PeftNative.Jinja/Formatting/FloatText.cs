using System.Globalization;
using System.Numerics;
using System.Text;

namespace PeftNative.Jinja.Formatting;

/// <summary>
/// Floats as text, digit for digit as Python writes them; ties round to the even digit of the exact binary value.
/// </summary>
internal static class FloatText
{
    /// <summary>The shortest text that reads back as the same float: 2.0, 1e-07, 1e+16.</summary>
    public static string Repr(double number)
    {
        if (!double.IsFinite(number)) return NotFinite(number);
        var (digits, exponent) = Shortest(Math.Abs(number));
        var sign = double.IsNegative(number) ? "-" : "";
        if (exponent is < -4 or >= 16) return sign + Scientific(digits, exponent, 'e');
        var text = Plain(digits, exponent);
        return sign + (text.Contains('.') ? text : text + ".0");
    }

    public static string NotFinite(double number) => double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";

    /// <summary>Python's <c>%.Nf</c> of a finite, non-negative number.</summary>
    public static string Fixed(double number, int precision)
    {
        var digits = Scaled(number, precision).ToString(CultureInfo.InvariantCulture).PadLeft(precision + 1, '0');
        return precision == 0 ? digits : digits[..^precision] + "." + digits[^precision..];
    }

    /// <summary>Python's <c>%.Ne</c> of a finite, non-negative number.</summary>
    public static string Exponential(double number, int precision, char letter)
    {
        var (digits, exponent) = Significant(number, precision + 1);
        return Scientific(digits, exponent, letter);
    }

    /// <summary>
    /// Python's <c>%.Ng</c> of a finite, non-negative number; trailing zeros stay where <paramref name="keepZeros"/>.
    /// </summary>
    public static string General(double number, int precision, char letter, bool keepZeros, int plainLimit = 0)
    {
        precision = Math.Max(precision, 1);
        var (digits, exponent) = Significant(number, precision);
        if (!keepZeros) digits = digits.TrimEnd('0') is { Length: > 0 } trimmed ? trimmed : "0";
        return exponent < -4 || exponent >= (plainLimit > 0 ? plainLimit : precision)
            ? Scientific(digits, exponent, letter)
            : Plain(digits, exponent);
    }

    /// <summary>Rounds to a number of decimals (tens, hundreds, ... where negative) as Python's round does.</summary>
    public static double Round(double number, int decimals)
    {
        if (!double.IsFinite(number) || decimals > 323) return number;
        if (decimals < -308) return Math.CopySign(0, number);
        var scaled = Scaled(Math.Abs(number), decimals);
        var text = string.Create(CultureInfo.InvariantCulture, $"{scaled}e{-decimals}");
        var result = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        if (double.IsInfinity(result)) throw new JinjaException("rounded value too large to represent");
        return Math.CopySign(result, number);
    }

    /// <summary>number * 10^decimals, rounded half to even from the exact value.</summary>
    private static BigInteger Scaled(double number, int decimals)
    {
        var bits = BitConverter.DoubleToInt64Bits(number);
        var biased = (int)((bits >> 52) & 0x7FF);
        var mantissa = new BigInteger((bits & 0xFFFFFFFFFFFFF) | (biased > 0 ? 1L << 52 : 0));
        var exponent = Math.Max(biased, 1) - 1075;
        var numerator = mantissa * (decimals > 0 ? BigInteger.Pow(10, decimals) : 1) << Math.Max(exponent, 0);
        var denominator = (decimals < 0 ? BigInteger.Pow(10, -decimals) : 1) << Math.Max(-exponent, 0);
        var quotient = BigInteger.DivRem(numerator, denominator, out var remainder);
        var order = (remainder * 2).CompareTo(denominator);
        return order > 0 || (order == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    private static (string Digits, int Exponent) Significant(double number, int count)
    {
        if (number == 0) return (new string('0', count), 0);
        var exponent = Shortest(number).Exponent;
        var digits = Scaled(number, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
        return digits.Length > count ? (digits[..count], exponent + 1) : (digits, exponent);
    }

    /// <summary>The shortest digits that identify a number, and the power of ten of the first.</summary>
    private static (string Digits, int Exponent) Shortest(double number)
    {
        if (number == 0) return ("0", 0);
        var text = number.ToString("R", CultureInfo.InvariantCulture);
        var e = text.IndexOf('E');
        var mantissa = e >= 0 ? text[..e] : text;
        var whole = mantissa.IndexOf('.') is var point and >= 0 ? point : mantissa.Length;
        var first = mantissa.AsSpan().IndexOfAnyInRange('1', '9');
        var exponent = first < whole ? whole - 1 - first : whole - first;
        if (e >= 0) exponent += int.Parse(text[(e + 1)..], CultureInfo.InvariantCulture);
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal).Trim('0');
        return (digits, exponent);
    }

    private static string Plain(string digits, int exponent)
    {
        if (exponent < 0) return "0." + new string('0', -exponent - 1) + digits;
        if (digits.Length <= exponent + 1) return digits.PadRight(exponent + 1, '0');
        return digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    private static string Scientific(string digits, int exponent, char letter)
    {
        var result = new StringBuilder().Append(digits[0]);
        if (digits.Length > 1) result.Append('.').Append(digits, 1, digits.Length - 1);
        return result.Append(letter).Append(exponent < 0 ? '-' : '+')
            .Append(Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture)).ToString();
    }
}
