using System.Globalization;
using System.Numerics;
using System.Text;
using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The filters on single values: defaults, numbers, JSON, lengths.</summary>
internal static class ValueFilters
{
    public static Builtin[] Filters { get; } =
    [
        Builtin.Of("default", "value | default_value boolean", c =>
            c[0] is UndefinedValue || (c.IsTrue(2) && !c[0].IsTrue) ? c.Optional(1) ?? StringValue.Empty : c[0]),
        Builtin.Of("length", "obj", c => new IntValue(c[0].Length
            ?? throw new JinjaException($"object of type '{c[0].TypeName}' has no len()"))),
        Builtin.Of("abs", "number", Absolute),
        Builtin.Of("int", "value | default base", ToInteger),
        Builtin.Of("float", "value | default", c => ParseFloat(c[0]) is { } number
            ? new FloatValue(number)
            : c.Optional(1) ?? new FloatValue(0)),
        Builtin.Of("round", "value | precision method", Round),
        Builtin.Of("filesizeformat", "value | binary", c => new StringValue(FileSize(c))),
        Builtin.Of("wordcount", "s", c => new IntValue(CountWords(c.Text(0)))),
        Builtin.Of("tojson", "value | ensure_ascii indent separators sort_keys", c => new StringValue(ToJson(c))),
        Builtin.Of("attr", "obj name", c => c[0] is UndefinedValue
            ? Operators.GetAttribute(c[0], c.String(1))
            : c[0].Attribute(c.String(1)) ?? UndefinedValue.OfAttribute(c[0], c.String(1))),
        Builtin.Of("xmlattr", "d | autospace", c => new StringValue(XmlAttributes(c))),
    ];

    private static Value Absolute(Invocation call) => call[0] switch
    {
        FloatValue real => new FloatValue(Math.Abs(real.Number)),
        var value when Operators.IsInteger(value, out var integer) => new IntValue(BigInteger.Abs(integer)),
        var value => throw new JinjaException($"bad operand type for abs(): '{value.TypeName}'"),
    };

    private static Value ToInteger(Invocation call)
    {
        var value = call[0];
        if (value is UndefinedValue undefined) throw undefined.Error();
        if (Operators.IsInteger(value, out var integer)) return new IntValue(integer);
        if (value is FloatValue real) return Truncated(real.Number);
        var fallback = call.Optional(1) ?? new IntValue(0);
        if (value is not StringValue text) return fallback;
        if (NumberReader.Parse(text.Text, call.Integer(2, 10)) is { } parsed) return new IntValue(parsed);
        return ParseFloat(value) is { } number && double.IsFinite(number) ? Truncated(number) : fallback;
    }

    private static IntValue Truncated(double number) => double.IsFinite(number)
        ? new IntValue(new BigInteger(number))
        : throw new JinjaException($"cannot convert float {(double.IsNaN(number) ? "NaN" : "infinity")} to integer");

    private static double? ParseFloat(Value value)
    {
        if (value is UndefinedValue undefined) throw undefined.Error();
        if (Operators.IsNumber(value, out var number)) return number;
        return value is StringValue text ? NumberReader.ParseFloat(text.Text) : null;
    }

    private static Value Round(Invocation call)
    {
        var (precision, method) = (call.Integer(1, 0), call.Text(2, "common"));
        if (method is not ("common" or "ceil" or "floor"))
            throw new JinjaException("method must be common, ceil or floor");
        if (call[0] is UndefinedValue undefined) throw undefined.Error();
        if (!Operators.IsNumber(call[0], out var number))
            throw new JinjaException($"type {call[0].TypeName} doesn't define __round__ method");
        if (method == "common")
            return Operators.IsInteger(call[0], out var integer)
                ? new IntValue(RoundInteger(integer, precision))
                : new FloatValue(FloatText.Round(number, precision));
        var scale = Math.Pow(10, precision);
        var scaled = number * scale;
        if (!double.IsFinite(scaled)) throw new JinjaException("cannot convert float infinity to integer");
        return new FloatValue((method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / scale);
    }

    private static BigInteger RoundInteger(BigInteger number, int precision)
    {
        if (precision >= 0) return number;
        if (precision < -5000) return 0;
        var unit = BigInteger.Pow(10, -precision);
        var floor = number - (((number % unit) + unit) % unit);
        var order = ((number - floor) * 2).CompareTo(unit);
        return order > 0 || (order == 0 && !(floor / unit).IsEven) ? floor + unit : floor;
    }

    private static string FileSize(Invocation call)
    {
        var bytes = ParseFloat(call[0]) ?? throw new JinjaException($"could not convert to float: '{call.Text(0)}'");
        var (unit, suffix) = call.IsTrue(1) ? (1024.0, "iB") : (1000.0, "B");
        if (bytes == 1) return "1 Byte";
        if (bytes < unit) return $"{new BigInteger(bytes)} Bytes";
        var prefixes = call.IsTrue(1) ? "KMGTPEZY" : "kMGTPEZY";
        var power = 1;
        while (power < prefixes.Length && bytes >= Math.Pow(unit, power + 1)) power++;
        return FloatText.Fixed(unit * bytes / Math.Pow(unit, power + 1), 1) + " " + prefixes[power - 1] + suffix;
    }

    private static int CountWords(string text)
    {
        var (count, insideWord) = (0, false);
        foreach (var rune in text.EnumerateRunes())
        {
            var isWord = rune.Value == '_' || Rune.IsLetterOrDigit(rune)
                || Rune.GetUnicodeCategory(rune) is UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
            if (isWord && !insideWord) count++;
            insideWord = isWord;
        }

        return count;
    }

    /// <summary>The tojson of transformers: json.dumps that leaves HTML and other alphabets alone.</summary>
    private static string ToJson(Invocation call)
    {
        var indent = call.Given(2) switch
        {
            null => null,
            StringValue text => text.Text,
            _ => Spaces(call),
        };
        var (item, key) = (indent is null ? ", " : ",", ": ");
        if (call.Given(3) is { } separators)
        {
            if (separators is not SequenceValue { Elements: [StringValue first, StringValue second] })
                throw new JinjaException("separators must be a pair of strings");
            (item, key) = (first.Text, second.Text);
        }

        var output = new TextBuilder(call.Budget);
        new JsonWriter(output)
        {
            EscapesNonAscii = call.IsTrue(1),
            Indent = indent,
            ItemSeparator = item,
            KeySeparator = key,
            SortsKeys = call.IsTrue(4),
        }.Write(call[0]);
        return output.ToString();
    }

    private static string Spaces(Invocation call)
    {
        var width = Math.Max(0, call.Integer(2));
        call.Budget.Text(width);
        return new string(' ', width);
    }

    private static string XmlAttributes(Invocation call)
    {
        if (call[0] is not DictValue dict) throw new JinjaException($"xmlattr needs a mapping, not {call[0].TypeName}");
        List<string> items = [];
        foreach (var (key, value) in dict.Entries)
        {
            if (value is NoneValue or UndefinedValue) continue;
            var name = TextBuilder.TextOf(key, call.Budget);
            if (name.Any(c => " \t\n\r\v\f/>=".Contains(c)))
                throw new JinjaException($"Invalid character in attribute name: '{name}'");
            items.Add($"{Markup.Escape(name)}=\"{Markup.Escape(TextBuilder.TextOf(value, call.Budget))}\"");
        }

        var text = StringTools.Join(" ", items, call.Budget);
        return text.Length > 0 && call.IsTrue(1, true) ? " " + text : text;
    }
}
