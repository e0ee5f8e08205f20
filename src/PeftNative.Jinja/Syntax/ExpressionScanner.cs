using System.Globalization;
using System.Numerics;
using System.Text;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Syntax;

/// <summary>Reads the tokens between the two ends of a tag: names, numbers, strings and operators.</summary>
internal sealed class ExpressionScanner(string source, List<Token> tokens)
{
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",", ";",
    ];

    /// <summary>Adds the token at a position and returns the position after it.</summary>
    public int Next(int position, int line, Stack<char> brackets)
    {
        var c = source[position];
        if (char.IsAsciiDigit(c)) return ReadNumber(position, line);
        if (IsNamePart(c)) return ReadName(position, line);
        if (c is '\'' or '"') return ReadString(position, line);
        var symbol = Array.Find(Operators, o => string.CompareOrdinal(source, position, o, 0, o.Length) == 0)
            ?? throw JinjaException.Syntax($"Unexpected character '{c}'.", line);
        Balance(symbol[0], line, brackets);
        tokens.Add(new Token(TokenKind.Operator, symbol, line));
        return position + symbol.Length;
    }

    private static void Balance(char symbol, int line, Stack<char> brackets)
    {
        switch (symbol)
        {
            case '(': brackets.Push(')'); break;
            case '[': brackets.Push(']'); break;
            case '{': brackets.Push('}'); break;
            case ')' or ']' or '}' when brackets.Count == 0:
                throw JinjaException.Syntax($"Unexpected '{symbol}'.", line);
            case ')' or ']' or '}' when brackets.Pop() is var expected && expected != symbol:
                throw JinjaException.Syntax($"Unexpected '{symbol}', expected '{expected}'.", line);
        }
    }

    private static bool IsNamePart(char c) => c == '_' || char.IsLetterOrDigit(c);

    private int ReadName(int start, int line)
    {
        var end = start;
        while (end < source.Length && IsNamePart(source[end])) end++;
        tokens.Add(new Token(TokenKind.Name, source[start..end], line));
        return end;
    }

    private int ReadNumber(int start, int line)
    {
        if (source[start] == '0' && start + 1 < source.Length && RadixOf(source[start + 1]) is var radix and > 0
            && start + 2 < source.Length && Digit(start + 2) < radix)
            return ReadRadix(start + 2, radix, line);
        var end = Digits(start);
        var isFloat = false;
        // In items.0.1 the numbers are two indices, not a fraction.
        var afterDot = start > 0 && source[start - 1] == '.';
        if (!afterDot && end + 1 < source.Length && source[end] == '.' && char.IsAsciiDigit(source[end + 1]))
            (end, isFloat) = (Digits(end + 1), true);
        if (!afterDot && Exponent(end) is var exponentEnd && exponentEnd > end)
            (end, isFloat) = (exponentEnd, true);
        var text = source[start..end].Replace("_", "", StringComparison.Ordinal);
        tokens.Add(isFloat
            ? new Token(
                TokenKind.Float, text, line,
                new FloatValue(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)))
            : new Token(TokenKind.Integer, text, line, new IntValue(ParseInteger(text, line))));
        return end;
    }

    private static BigInteger ParseInteger(string digits, int line)
    {
        if (digits.Length > 4000) throw JinjaException.Syntax("A number has more than 4000 digits.", line);
        if (digits.Length > 1 && digits[0] == '0' && digits.Trim('0').Length > 0)
            throw JinjaException.Syntax("A number begins with 0.", line);
        return BigInteger.Parse(digits, CultureInfo.InvariantCulture);
    }

    private int Digits(int at)
    {
        while (at < source.Length && (char.IsAsciiDigit(source[at])
            || (source[at] == '_' && at + 1 < source.Length && char.IsAsciiDigit(source[at + 1])))) at++;
        return at;
    }

    private int Exponent(int at)
    {
        if (at >= source.Length || source[at] is not ('e' or 'E')) return at;
        var digits = at + 1 < source.Length && source[at + 1] is '+' or '-' ? at + 2 : at + 1;
        return digits < source.Length && char.IsAsciiDigit(source[digits]) ? Digits(digits) : at;
    }

    private static int RadixOf(char c) => c switch { 'x' or 'X' => 16, 'o' or 'O' => 8, 'b' or 'B' => 2, _ => 0 };

    private int Digit(int at) =>
        char.IsAsciiHexDigit(source[at]) ? Convert.ToInt32(source[at].ToString(), 16) : int.MaxValue;

    private int ReadRadix(int at, int radix, int line)
    {
        var value = BigInteger.Zero;
        for (var count = 0; at < source.Length && (source[at] == '_' || Digit(at) < radix); at++)
        {
            if (source[at] == '_') continue;
            if (++count > 4000) throw JinjaException.Syntax("A number has more than 4000 digits.", line);
            value = (value * radix) + Digit(at);
        }

        tokens.Add(new Token(TokenKind.Integer, "", line, new IntValue(value)));
        return at;
    }

    private int ReadString(int start, int line)
    {
        var quote = source[start];
        var end = start + 1;
        while (end < source.Length && source[end] != quote) end += source[end] == '\\' ? 2 : 1;
        if (end >= source.Length) throw JinjaException.Syntax("A string is not closed.", line);
        tokens.Add(new Token(TokenKind.Text, Unescape(source.AsSpan(start + 1, end - start - 1), line), line));
        return end + 1;
    }

    private static string Unescape(ReadOnlySpan<char> text, int line)
    {
        if (!text.Contains('\\')) return text.ToString();
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
                result.Append(text[i]);
            else
                i += AppendEscape(result, text[(i + 1)..], line);
        }

        return result.ToString();
    }

    /// <summary>Appends what an escape stands for; returns how many characters follow its backslash.</summary>
    private static int AppendEscape(StringBuilder result, ReadOnlySpan<char> rest, int line)
    {
        const string letters = "abfnrtv\\'\"";
        const string meanings = "\a\b\f\n\r\t\v\\'\"";
        var c = rest[0];
        if (letters.IndexOf(c, StringComparison.Ordinal) is var known and >= 0)
        {
            result.Append(meanings[known]);
            return 1;
        }

        if (c == '\n') return 1;
        if (c is >= '0' and <= '7') return AppendOctal(result, rest);
        var digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (c == 'N') throw JinjaException.Syntax("Escapes by the name of a character (\\N) are not supported.", line);
        if (digits == 0)
        {
            result.Append('\\');
            return 0;
        }

        if (rest.Length <= digits
            || !uint.TryParse(
                rest.Slice(1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            || code > 0x10FFFF)
            throw JinjaException.Syntax($"A broken escape '\\{c}' in a string.", line);
        AppendCodePoint(result, code);
        return digits + 1;
    }

    private static int AppendOctal(StringBuilder result, ReadOnlySpan<char> rest)
    {
        var (count, code) = (0, 0u);
        while (count < 3 && count < rest.Length && rest[count] is >= '0' and <= '7')
            code = (code * 8) + rest[count++] - '0';
        AppendCodePoint(result, code);
        return count;
    }

    private static void AppendCodePoint(StringBuilder result, uint code)
    {
        if (code < 0x10000)
            result.Append((char)code);
        else
            result.Append(char.ConvertFromUtf32((int)code));
    }
}
