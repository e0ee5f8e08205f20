using System.Text;
using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The filters that give text made of text.</summary>
internal static class TextFilters
{
    public static Builtin[] Filters { get; } =
    [
        Soft("upper", "", (c, s) => LetterCase.Upper(s)),
        Soft("lower", "", (c, s) => LetterCase.Lower(s)),
        Soft("capitalize", "", (c, s) => LetterCase.Capitalize(s)),
        Plain("title", "", (c, s) => TitleWords(s)),
        Soft("trim", "| chars", (c, s) => StringTools.Strip(s, c.Given(1) is null ? null : c.String(1), true, true)),
        Soft("center", "| width", (c, s) => StringTools.Pad(s, c.Integer(1, 80), " ", '^', c.Budget)),
        Soft("string", "", (_, s) => s),
        Plain("replace", "old new | count", (c, s) =>
            StringTools.Replace(s, c.Text(1), c.Text(2), c.Integer(3, -1), c.Budget)),
        Builtin.Of("escape", "value", c => c[0] is StringValue { IsMarkup: true } ? c[0] : Markup(Escape(c.Text(0)))),
        Builtin.Of("forceescape", "value", c => Markup(Escape(c.Text(0)))),
        Builtin.Of("safe", "value", c => Markup(c.Text(0))),
        Plain("striptags", "", (_, s) => Formatting.Markup.StripTags(s)),
        Plain("urlencode", "", (c, s) => UrlEncode(c)),
        Builtin.Of("indent", "s | width first blank", Indent),
        Builtin.Of("truncate", "s | length killwords end leeway", Truncate),
        Plain("wordwrap", "| width break_long_words wrapstring break_on_hyphens", (c, s) => WordWrap.Apply(
            s, c.Integer(1, 79), c.IsTrue(2, true), c.Text(3, "\n"), c.IsTrue(4, true), c.Budget)),
        Builtin.Variadic("format", Format),
    ];

    /// <summary>A filter whose result is markup where its input is.</summary>
    private static Builtin Soft(string name, string parameters, Func<Invocation, string, string> body) =>
        Builtin.Of(
            name, "s " + parameters, c => new StringValue(body(c, c.Text(0)), c[0] is StringValue { IsMarkup: true }));

    private static Builtin Plain(string name, string parameters, Func<Invocation, string, string> body) =>
        Builtin.Of(name, "s " + parameters, c => new StringValue(body(c, c.Text(0))));

    private static StringValue Markup(string text) => new(text, isMarkup: true);

    private static string Escape(string text) => Formatting.Markup.Escape(text);

    /// <summary>
    /// The title filter begins words after white space, a hyphen or an opening bracket; the method has other rules.
    /// </summary>
    private static string TitleWords(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            var end = at;
            while (end < text.Length && !BeginsWord(text[end])) end++;
            if (end > at)
                result.Append(LetterCase.Upper(text[at..(at + 1)])).Append(LetterCase.Lower(text[(at + 1)..end]));
            for (at = end; at < text.Length && BeginsWord(text[at]); at++) result.Append(text[at]);
        }

        return result.ToString();
    }

    private static bool BeginsWord(char c) => c is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(c);

    private static string UrlEncode(Invocation call)
    {
        var value = call[0];
        if (value is StringValue || value.Items is null) return Quote(call.Text(0), "/");
        var pairs = value is DictValue dict ? dict.Entries.Select(e => (e.Key, e.Value)) : call.Items(0).Select(PairOf);
        return StringTools.Join(
            "&", pairs.Select(p => QuoteForm(p.Item1, call) + "=" + QuoteForm(p.Item2, call)), call.Budget);
    }

    private static (Value, Value) PairOf(Value item) => item is SequenceValue { Elements: [var key, var value] }
        ? (key, value)
        : throw new JinjaException("urlencode needs pairs of a key and a value");

    private static string QuoteForm(Value value, Invocation call) =>
        Quote(TextBuilder.TextOf(value, call.Budget), "").Replace("%20", "+", StringComparison.Ordinal);

    private static string Quote(string text, string safe)
    {
        var result = new StringBuilder(text.Length);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            var c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || "_.-~".Contains(c) || safe.Contains(c)) result.Append(c);
            else result.Append($"%{b:X2}");
        }

        return result.ToString();
    }

    private static StringValue Indent(Invocation call)
    {
        if (call[0] is UndefinedValue undefined) throw undefined.Error();
        if (call[0] is not StringValue text) throw new JinjaException($"indent needs a string, not {call[0].TypeName}");
        var indention = call.Given(1) is StringValue given ? given.Text : new string(' ', IndentWidth(call));
        var (first, blank) = (call.IsTrue(2), call.IsTrue(3));
        var output = new TextBuilder(call.Budget);
        if (first) output.Append(indention);
        var isFirst = true;
        foreach (var line in PythonText.SplitLines(text.Text + "\n"))
        {
            if (!isFirst) output.Append("\n");
            if (!isFirst && (blank || line.Length > 0)) output.Append(indention);
            isFirst = false;
            output.Append(line);
        }

        return text.With(output.ToString());
    }

    private static int IndentWidth(Invocation call)
    {
        var width = Math.Max(0, call.Integer(1, 4));
        call.Budget.Text(width);
        return width;
    }

    private static Value Truncate(Invocation call)
    {
        if (call[0] is UndefinedValue undefined) return undefined;
        var end = call.Text(3, "...");
        var (length, leeway) = (call.Integer(1, 255), call.Integer(4, 5));
        var keep = length - PythonText.CountCodePoints(end);
        if (keep < 0) throw new JinjaException($"expected length >= {PythonText.CountCodePoints(end)}, got {length}");
        if (leeway < 0) throw new JinjaException($"expected leeway >= 0, got {leeway}");
        if (call[0].Length <= (long)length + leeway) return call[0];
        if (call[0] is not StringValue text)
            throw new JinjaException($"truncate needs a string, not {call[0].TypeName}");
        var start = ((StringValue)text.Slice(new SliceBounds(null, keep, null), call.Budget)).Text;
        var lastSpace = call.IsTrue(2) ? -1 : start.LastIndexOf(' ');
        return text.With((lastSpace < 0 ? start : start[..lastSpace]) + end);
    }

    private static StringValue Format(Invocation call)
    {
        var arguments = call.All.Skip(1);
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
            throw new JinjaException("can't handle positional and keyword arguments at the same time");
        var input = call.All.Positional[0];
        var format = input as StringValue ?? new StringValue(TextBuilder.TextOf(input, call.Budget));
        Value values = arguments.Named.Count == 0
            ? new TupleValue(arguments.Positional)
            : call.Interpreter.NewDict(
                arguments.Named.Select(n => new KeyValuePair<Value, Value>(new StringValue(n.Key), n.Value)));
        return PercentFormat.Apply(format, values, call.Budget);
    }
}
