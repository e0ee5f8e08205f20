using System.Globalization;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>Python's <c>text % values</c>.</summary>
internal sealed class PercentFormat
{
    private readonly string _format;
    private readonly Value _values;
    private readonly bool _isMarkup;
    private readonly TextBuilder _output;
    private int _at;
    private int _used;

    private PercentFormat(StringValue format, Value values, Budget budget)
    {
        (_format, _values, _isMarkup) = (format.Text, values, format.IsMarkup);
        _output = new TextBuilder(budget);
    }

    public static StringValue Apply(StringValue format, Value values, Budget budget)
    {
        var work = new PercentFormat(format, values, budget);
        work.Run();
        return format.With(work._output.ToString());
    }

    private void Run()
    {
        while (_at < _format.Length)
        {
            var next = _format.IndexOf('%', _at);
            if (next < 0) next = _format.Length;
            _output.Append(_format.AsSpan(_at, next - _at));
            _at = next + 1;
            if (next < _format.Length) Convert();
        }

        // What has items by key may hold more than the format asks for.
        if (_values is DictValue or ListValue or UndefinedValue) return;
        if (_used < (_values is TupleValue tuple ? tuple.Elements.Count : 1))
            throw new JinjaException("not all arguments converted during string formatting");
    }

    private void Convert()
    {
        var key = ReadKey();
        var spec = ReadFlags();
        spec = spec with { Width = ReadWidth(ref spec) ?? 0 };
        if (Peek() == '.')
        {
            _at++;
            var ignored = spec;
            spec = spec with { Precision = ReadWidth(ref ignored) ?? 0 };
        }

        while (Peek() is 'h' or 'l' or 'L') _at++;
        var letter = Peek();
        if (letter == '\0') throw new JinjaException("incomplete format");
        _at++;
        if (letter == '%')
            _output.Append("%");
        else
            _output.Append(Format(spec, letter, key is null ? NextValue() : KeyedValue(key)));
    }

    private char Peek() => _at < _format.Length ? _format[_at] : '\0';

    private string? ReadKey()
    {
        if (Peek() != '(') return null;
        var end = _format.IndexOf(')', _at);
        if (end < 0) throw new JinjaException("incomplete format key");
        var key = _format[(_at + 1)..end];
        _at = end + 1;
        return key;
    }

    private FormatSpec ReadFlags()
    {
        var spec = new FormatSpec();
        for (; Peek() is '-' or '+' or ' ' or '#' or '0'; _at++)
        {
            spec = Peek() switch
            {
                '-' => spec with { Alignment = '<', Fill = " " },
                '+' => spec with { Sign = '+' },
                ' ' => spec.Sign == '+' ? spec : spec with { Sign = ' ' },
                '#' => spec with { IsAlternate = true },
                _ => spec.Alignment == '<' ? spec : spec with { Alignment = '=', Fill = "0" },
            };
        }

        return spec;
    }

    private int? ReadWidth(ref FormatSpec spec)
    {
        if (Peek() == '*')
        {
            _at++;
            if (!Operators.IsInteger(NextValue(), out var number)) throw new JinjaException("* wants int");
            if (number.GetBitLength() > 31) throw JinjaException.Limit("A field is too wide.");
            if (number.Sign < 0) spec = spec with { Alignment = '<', Fill = " " };
            return (int)System.Numerics.BigInteger.Abs(number);
        }

        var start = _at;
        while (char.IsAsciiDigit(Peek())) _at++;
        if (_at == start) return null;
        return int.TryParse(
            _format.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out var width)
            ? width
            : throw JinjaException.Limit("A field is too wide.");
    }

    private Value NextValue()
    {
        if (_values is TupleValue tuple)
            return _used < tuple.Elements.Count ? tuple.Elements[_used++] : throw TooFew();
        return _used++ == 0 ? _values : throw TooFew();
    }

    private static JinjaException TooFew() => new("not enough arguments for format string");

    private Value KeyedValue(string key)
    {
        if (_values is not DictValue mapping) throw new JinjaException("format requires a mapping");
        return mapping.Index(new StringValue(key)) ?? throw new JinjaException($"KeyError: '{key}'");
    }

    private string Format(FormatSpec spec, char letter, Value value)
    {
        var budget = _output.Budget;
        switch (letter)
        {
            case 's':
                var text = TextBuilder.TextOf(value, budget);
                if (_isMarkup && value is not StringValue { IsMarkup: true }) text = Markup.Escape(text);
                return Plain(spec).FormatText(text, budget);
            case 'r' or 'a':
                return Plain(spec).FormatText(PythonText.Repr(value, onlyAscii: letter == 'a', budget), budget);
            case 'c' when value is StringValue { CodePoints: 1 } one:
                return Plain(spec).FormatText(one.Text, budget);
            case 'd' or 'i' or 'u':
                return FormatInteger(spec, 'd', value);
            case 'x' or 'X' or 'o' or 'c':
                return FormatInteger(spec, letter, value);
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (!Operators.IsNumber(value, out var real))
                    throw new JinjaException($"must be real number, not {value.TypeName}");
                return (spec with { Type = letter }).FormatFloat(real, budget);
            default:
                throw new JinjaException($"unsupported format character '{letter}'");
        }
    }

    /// <summary>Texts stand on the right, and zeros do not fill their fields.</summary>
    private static FormatSpec Plain(FormatSpec spec) =>
        spec with { Fill = " ", Alignment = spec.Alignment == '<' ? '<' : '>' };

    private string FormatInteger(FormatSpec spec, char letter, Value value)
    {
        if (value is UndefinedValue undefined) throw undefined.Error();
        if (!Operators.IsInteger(value, out var number))
        {
            if (letter != 'd' || value is not FloatValue real)
            {
                var wanted = letter == 'd' ? "a real number" : "an integer";
                throw new JinjaException($"%{letter} format: {wanted} is required, not {value.TypeName}");
            }

            if (!double.IsFinite(real.Number))
                throw new JinjaException($"cannot convert float {real.Number} to integer");
            number = new System.Numerics.BigInteger(real.Number);
        }

        var precision = Math.Min(spec.Precision ?? 0, 1000);
        var text = (spec with { Type = letter, Precision = null }).FormatInteger(number, _output.Budget);
        if (precision == 0) return text;
        var field = Plain(spec with { Precision = null, Type = '\0' });
        return field.FormatText(ZeroFilled(text.Trim(), precision), _output.Budget);
    }

    private static string ZeroFilled(string number, int digits)
    {
        var sign = number[0] is '-' or '+' ? number[..1] : "";
        return sign + number[sign.Length..].PadLeft(digits, '0');
    }
}
