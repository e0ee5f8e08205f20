using System.Globalization;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>
/// The <c>strftime</c> of C in its own locale, with glibc's flags (<c>%-d</c>, <c>%_H</c>, <c>%^a</c>).
/// </summary>
internal static class TimeText
{
    public static string Format(string format, DateTimeOffset time, Budget budget)
    {
        var output = new TextBuilder(budget);
        for (var at = 0; at < format.Length; at++)
        {
            if (format[at] != '%' || at + 1 == format.Length)
            {
                output.Append(format.AsSpan(at, 1));
                continue;
            }

            var start = at++;
            var flag = format[at] is '-' or '_' or '0' or '^' or '#' && at + 1 < format.Length ? format[at++] : '\0';
            output.Append(Convert(format[at], flag, time) ?? format[start..(at + 1)]);
        }

        return output.ToString();
    }

    private static string? Convert(char directive, char flag, DateTimeOffset time)
    {
        var text = Number(directive, time) is var (number, width, pad)
            ? Padded(number, width, flag switch { '-' => '\0', '_' => ' ', '0' => '0', _ => pad })
            : Name(directive, time);
        if (text is null) return null;
        return flag == '^' ? text.ToUpperInvariant() : flag == '#' ? Swapped(directive, text) : text;
    }

    private static string Swapped(char directive, string text) =>
        directive is 'p' or 'Z' ? text.ToLowerInvariant() : text.ToUpperInvariant();

    private static string Padded(int number, int width, char pad)
    {
        var digits = number.ToString(CultureInfo.InvariantCulture);
        return pad == '\0' ? digits : digits.PadLeft(width, pad);
    }

    private static (int Number, int Width, char Pad)? Number(char directive, DateTimeOffset time) => directive switch
    {
        'd' => (time.Day, 2, '0'),
        'e' => (time.Day, 2, ' '),
        'H' => (time.Hour, 2, '0'),
        'k' => (time.Hour, 2, ' '),
        'I' => (((time.Hour + 11) % 12) + 1, 2, '0'),
        'l' => (((time.Hour + 11) % 12) + 1, 2, ' '),
        'j' => (time.DayOfYear, 3, '0'),
        'm' => (time.Month, 2, '0'),
        'M' => (time.Minute, 2, '0'),
        'S' => (time.Second, 2, '0'),
        'y' => (time.Year % 100, 2, '0'),
        'Y' => (time.Year, 1, '0'),
        'C' => (time.Year / 100, 2, '0'),
        'u' => (((int)time.DayOfWeek + 6) % 7 + 1, 1, '0'),
        'w' => ((int)time.DayOfWeek, 1, '0'),
        'U' => ((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2, '0'),
        'W' => ((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7, 2, '0'),
        'V' => (ISOWeek.GetWeekOfYear(time.DateTime), 2, '0'),
        'G' => (ISOWeek.GetYear(time.DateTime), 1, '0'),
        'g' => (ISOWeek.GetYear(time.DateTime) % 100, 2, '0'),
        _ => null,
    };

    private static string? Name(char directive, DateTimeOffset time)
    {
        string Net(string format) => time.ToString(format, CultureInfo.InvariantCulture);
        return directive switch
        {
            'a' => Net("ddd"),
            'A' => Net("dddd"),
            'b' or 'h' => Net("MMM"),
            'B' => Net("MMMM"),
            'c' => Net("ddd MMM ") + Net("%d").PadLeft(2) + Net(" HH:mm:ss yyyy"),
            'D' or 'x' => Net("MM\\/dd\\/yy"),
            'f' => Net("ffffff"),
            'F' => Net("yyyy-MM-dd"),
            'n' => "\n",
            'p' => Net("tt"),
            'P' => Net("tt").ToLowerInvariant(),
            'r' => Net("hh:mm:ss tt"),
            'R' => Net("HH:mm"),
            's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            't' => "\t",
            'T' or 'X' => Net("HH:mm:ss"),
            // Python's now() has no time zone, so that these two are empty.
            'z' or 'Z' => "",
            '%' => "%",
            _ => null,
        };
    }
}
