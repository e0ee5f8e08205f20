using System.Globalization;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>Python's <c>"{} {name:&gt;8}".format(...)</c>.</summary>
internal sealed class BraceFormat(Arguments arguments, Budget budget)
{
    private int _automatic;
    private bool _isNumbered;

    public string Apply(string format, int depth = 0)
    {
        if (depth > 1) throw new JinjaException("Max string recursion exceeded");
        var output = new TextBuilder(budget);
        for (var at = 0; at < format.Length;)
        {
            var next = format.AsSpan(at).IndexOfAny('{', '}');
            if (next < 0)
            {
                output.Append(format.AsSpan(at));
                break;
            }

            output.Append(format.AsSpan(at, next));
            at += next;
            if (at + 1 < format.Length && format[at + 1] == format[at])
            {
                output.Append(format.AsSpan(at, 1));
                at += 2;
                continue;
            }

            if (format[at] == '}') throw new JinjaException("Single '}' encountered in format string");
            var end = FieldEnd(format, at + 1);
            output.Append(Field(format[(at + 1)..end], depth));
            at = end + 1;
        }

        return output.ToString();
    }

    private static int FieldEnd(string format, int start)
    {
        var open = 1;
        for (var at = start; at < format.Length; at++)
        {
            if (format[at] == '{') open++;
            else if (format[at] == '}' && --open == 0) return at;
        }

        throw new JinjaException("expected '}' before end of string");
    }

    private string Field(string field, int depth)
    {
        var colon = field.IndexOf(':');
        var (name, specText) = colon < 0 ? (field, "") : (field[..colon], field[(colon + 1)..]);
        var conversion = '\0';
        if (name.IndexOf('!') is var mark and >= 0)
        {
            if (mark != name.Length - 2) throw new JinjaException("expected ':' after conversion specifier");
            (name, conversion) = (name[..mark], name[^1]);
        }

        var value = Lookup(name);
        var spec = FormatSpec.Parse(specText.Contains('{') ? Apply(specText, depth + 1) : specText);
        value = conversion switch
        {
            '\0' => value,
            's' => new StringValue(TextBuilder.TextOf(value, budget)),
            'r' or 'a' => new StringValue(PythonText.Repr(value, onlyAscii: conversion == 'a', budget)),
            _ => throw new JinjaException($"Unknown conversion specifier {conversion}"),
        };
        return Format(value, spec, specText.Length == 0);
    }

    private Value Lookup(string path)
    {
        var end = path.AsSpan().IndexOfAny('.', '[');
        var first = end < 0 ? path : path[..end];
        var value = First(first);
        for (var at = end < 0 ? path.Length : end; at < path.Length;)
        {
            var isItem = path[at] == '[';
            var stop = isItem ? path.IndexOf(']', at) : NextPart(path, at + 1);
            if (stop < 0) throw new JinjaException("Missing ']' in format string");
            var key = path[(at + 1)..stop];
            value = isItem ? Operators.GetItem(value, ItemKey(key), budget) : Operators.GetAttribute(value, key);
            at = isItem ? stop + 1 : stop;
        }

        return value;
    }

    private static int NextPart(string path, int from) =>
        path.AsSpan(from).IndexOfAny('.', '[') is var next and >= 0 ? from + next : path.Length;

    private static Value ItemKey(string key) =>
        long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? new IntValue(index)
            : new StringValue(key);

    private Value First(string name)
    {
        var isIndex = int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index);
        if (isIndex ? _automatic > 0 : name.Length == 0 && _isNumbered)
            throw new JinjaException("cannot switch between manual field specification and automatic field numbering");
        _isNumbered |= isIndex;
        if (name.Length == 0) (isIndex, index) = (true, _automatic++);
        if (isIndex)
            return index < arguments.Positional.Count
                ? arguments.Positional[index]
                : throw new JinjaException($"Replacement index {index} out of range for positional args tuple");
        return arguments.Find(name) ?? throw new JinjaException($"KeyError: '{name}'");
    }

    private string Format(Value value, FormatSpec spec, bool isPlain)
    {
        if (isPlain) return TextBuilder.TextOf(value, budget);
        if (value is StringValue text) return spec.FormatText(text.Text, budget);
        if (value is BoolValue && spec.Type == '\0') return spec.FormatText(TextBuilder.TextOf(value, budget), budget);
        if (Operators.IsInteger(value, out var integer)) return spec.FormatInteger(integer, budget);
        if (value is FloatValue real) return spec.FormatFloat(real.Number, budget);
        throw new JinjaException($"unsupported format string passed to {value.TypeName}.__format__");
    }
}
