using System.Globalization;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>
/// Reads a character class in brackets, with nested classes, intersections (&amp;&amp;) and POSIX names, and the
/// escapes of classes.
/// </summary>
internal readonly ref struct PatternClassParser
{
    private const int MaxDepth = 32;

    /// <summary>Reads from just after the opening bracket to just after the closing one.</summary>
    public PatternClassParser(string pattern, ref int position) => Set = ParseClass(pattern, ref position, 0);

    /// <summary>What was read.</summary>
    public CharSet Set { get; }

    /// <summary>Reads an escape from just after its backslash.</summary>
    public static CharSet ParseEscape(string pattern, ref int position, bool inClass = false)
    {
        var c = pattern[position];
        switch (c)
        {
            case 's' or 'S': position++; return CharSet.Of(UnicodeTables.IsWhiteSpace, c == 'S');
            case 'w' or 'W': position++; return CharSet.Of(inClass ? UnicodeTables.IsRegexWordInClass
                : UnicodeTables.IsRegexWord, c == 'W');
            case 'd' or 'D': position++; return CharSet.Of(x =>
                UnicodeTables.Category(x) == UnicodeCategory.DecimalDigitNumber, c == 'D');
            case 'h' or 'H': position++; return CharSet.Of(x => x < 128 && char.IsAsciiHexDigit((char)x), c == 'H');
            case 'p' or 'P': position++; return ParseProperty(pattern, ref position, c == 'P');
            default: return CharSet.Of(ParseEscapedCharacter(pattern, ref position));
        }
    }

    private static CharSet ParseClass(string pattern, ref int position, int depth)
    {
        if (depth > MaxDepth) throw Error(pattern, "too many nested classes");
        var negate = position < pattern.Length && pattern[position] == '^';
        if (negate) position++;
        var set = new CharSet();
        CharSet? left = null;
        for (var first = true; ; first = false)
        {
            if (position >= pattern.Length) throw Error(pattern, "an open character class");
            if (pattern[position] == ']' && !first)
            {
                position++;
                break;
            }
            if (string.CompareOrdinal(pattern, position, "&&", 0, 2) == 0)
            {
                position += 2;
                left = left is null ? set.Seal() : left.And(set.Seal());
                set = new CharSet();
            }
            else ParseItem(pattern, ref position, depth, set);
        }
        var result = left is null ? set.Seal() : left.And(set.Seal());
        return negate ? CharSet.Of(result.Contains, negate: true) : result;
    }

    private static void ParseItem(string pattern, ref int position, int depth, CharSet set)
    {
        if (pattern[position] == '[')
        {
            position++;
            set.Add(pattern.AsSpan(position).StartsWith(":") && TryParsePosix(pattern, ref position) is { } posix
                ? posix
                : ParseClass(pattern, ref position, depth + 1));
            return;
        }
        if (pattern[position] == '\\' && position + 1 < pattern.Length && "sSwWdDhHpP".Contains(pattern[position + 1]))
        {
            position++;
            set.Add(ParseEscape(pattern, ref position, inClass: true));
            return;
        }
        var first = ParseCharacter(pattern, ref position);
        if (position + 1 < pattern.Length && pattern[position] == '-' && pattern[position + 1] is not (']' or '['))
        {
            var dash = position++;
            if (pattern[position] == '\\' && "sSwWdDhHpP".Contains(pattern[Math.Min(position + 1, pattern.Length - 1)]))
            {
                position = dash + 1;
                set.Add(first, first).Add('-', '-');
                return;
            }
            var last = ParseCharacter(pattern, ref position);
            if (last < first) throw Error(pattern, "an empty range in a character class");
            set.Add(first, last);
            return;
        }
        set.Add(first, first);
    }

    private static int ParseCharacter(string pattern, ref int position)
    {
        if (pattern[position] == '\\')
        {
            position++;
            return ParseEscapedCharacter(pattern, ref position);
        }
        var c = AlignedText.CodePoint(pattern, position, out var units);
        position += units;
        return c;
    }

    private static int ParseEscapedCharacter(string pattern, ref int position)
    {
        if (position >= pattern.Length) throw Error(pattern, "a lone \\");
        var c = AlignedText.CodePoint(pattern, position, out var units);
        position += units;
        return c switch
        {
            'n' => '\n', 'r' => '\r', 't' => '\t', 'f' => '\f', 'v' => '\v', 'a' => '\a', 'e' => 0x1B, 'b' => '\b',
            'x' => ParseHex(pattern, ref position, 2),
            'u' => ParseHex(pattern, ref position, 4),
            '0' => 0,
            _ => c,
        };
    }

    private static int ParseHex(string pattern, ref int position, int digits)
    {
        var length = Math.Min(digits, pattern.Length - position);
        var skip = 0;
        if (position < pattern.Length && pattern[position] == '{')
        {
            var close = pattern.IndexOf('}', position);
            if (close < 0) throw Error(pattern, "an open \\x{");
            position++;
            (length, skip) = (close - position, 1);
        }
        if (!int.TryParse(pattern.AsSpan(position, length), NumberStyles.HexNumber, CultureInfo.InvariantCulture,
            out var value)
            || value is < 0 or > 0x10FFFF) throw Error(pattern, "a bad hexadecimal escape");
        position += length + skip;
        return value;
    }

    private static CharSet? TryParsePosix(string pattern, ref int position)
    {
        var close = pattern.IndexOf(":]", position, StringComparison.Ordinal);
        if (close < 0) return null;
        var name = pattern[(position + 1)..close];
        var negate = name.StartsWith('^');
        if (PatternProperties.FindInClass(negate ? name[1..] : name) is not { } set) return null;
        position = close + 2;
        return negate ? CharSet.Of(set.Contains, negate: true) : set;
    }

    private static CharSet ParseProperty(string pattern, ref int position, bool negate)
    {
        string name;
        var close = position < pattern.Length && pattern[position] == '{' ? pattern.IndexOf('}', position) : -1;
        if (close < 0) throw Error(pattern, "a property without braces");
        name = pattern[(position + 1)..close];
        position = close + 1;
        if (name.StartsWith('^')) (name, negate) = (name[1..], !negate);
        var set = PatternProperties.Find(name) ?? throw Error(pattern, $"the unknown character property {name}");
        return negate ? CharSet.Of(set.Contains, negate: true) : set;
    }

    private static ModelFormatException Error(string pattern, string what) =>
        new($"Cannot read the regular expression: {what}.", pattern.Length > 200 ? pattern[..200] + "…" : pattern);
}
