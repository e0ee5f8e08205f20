using System.Globalization;
using System.Text;
using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The methods of strings.</summary>
internal static class StringMethods
{
    private static readonly PythonMethods Table = new(PythonMethods.Of(
        Map("upper", "", (c, s) => LetterCase.Upper(s)),
        Map("lower", "", (c, s) => LetterCase.Lower(s)),
        Map("casefold", "", (c, s) => LetterCase.CaseFold(s)),
        Map("capitalize", "", (c, s) => LetterCase.Capitalize(s)),
        Map("title", "", (c, s) => LetterCase.TitleWords(s)),
        Map("swapcase", "", (c, s) => LetterCase.SwapCase(s)),
        Map("strip", "| chars", (c, s) => StringTools.Strip(s, Chars(c), true, true)),
        Map("lstrip", "| chars", (c, s) => StringTools.Strip(s, Chars(c), true, false)),
        Map("rstrip", "| chars", (c, s) => StringTools.Strip(s, Chars(c), false, true)),
        Map("removeprefix", "prefix", (c, s) =>
            s.StartsWith(c.String(1), StringComparison.Ordinal) ? s[c.String(1).Length..] : s),
        Map("removesuffix", "suffix", (c, s) =>
            s.EndsWith(c.String(1), StringComparison.Ordinal) ? s[..^c.String(1).Length] : s),
        Map("replace", "old new | count", (c, s) =>
            StringTools.Replace(s, c.String(1), Escaped(c, 2), c.Integer(3, -1), c.Budget)),
        Map("join", "items", (c, s) =>
            StringTools.Join(s, c.Items(1).Select((item, i) => JoinPart(c, item, i)), c.Budget)),
        Map("center", "width | fill", (c, s) => Pad(c, s, '^')),
        Map("ljust", "width | fill", (c, s) => Pad(c, s, '<')),
        Map("rjust", "width | fill", (c, s) => Pad(c, s, '>')),
        Map("zfill", "width", (c, s) => StringTools.ZeroFill(s, c.Integer(1), c.Budget)),
        Map("expandtabs", "| tabsize", (c, s) => StringTools.ExpandTabs(s, c.Integer(1, 8), c.Budget)),
        Of("split", "| sep maxsplit", (c, s) =>
            Parts(c, StringTools.Split(s, Separator(c), c.Integer(2, -1), c.Budget))),
        Of("rsplit", "| sep maxsplit", (c, s) =>
            Parts(c, StringTools.SplitFromEnd(s, Separator(c), c.Integer(2, -1), c.Budget))),
        Of("splitlines", "| keepends", (c, s) => Parts(c, PythonText.SplitLines(s, c.IsTrue(1)))),
        Of("partition", "sep", (c, s) => Partition(c, TextSearch.IndexOf(s, NotEmpty(c), 0, c.Budget), fromEnd: false)),
        Of("rpartition", "sep", (c, s) =>
            Partition(c, TextSearch.LastIndexOf(s, NotEmpty(c), s.Length, c.Budget), fromEnd: true)),
        Of("startswith", "prefix | start end", (c, _) =>
            HasAffix(c, (s, part) => s.StartsWith(part, StringComparison.Ordinal))),
        Of("endswith", "suffix | start end", (c, _) =>
            HasAffix(c, (s, part) => s.EndsWith(part, StringComparison.Ordinal))),
        Of("find", "sub | start end", (c, _) => new IntValue(Position(c, fromEnd: false))),
        Of("rfind", "sub | start end", (c, _) => new IntValue(Position(c, fromEnd: true))),
        Of("index", "sub | start end", (c, _) => Found(Position(c, fromEnd: false))),
        Of("rindex", "sub | start end", (c, _) => Found(Position(c, fromEnd: true))),
        Of("count", "sub | start end", (c, _) => new IntValue(StringTools.Count(Part(c), c.String(1), c.Budget))),
        Is("isalpha", s => All(s, Rune.IsLetter)),
        Is("isalnum", s => All(s, r => Rune.IsLetter(r) || IsNumeric(r))),
        Is("isdigit", s => All(s, r => Rune.IsDigit(r) || "²³¹".Contains(r.ToString(), StringComparison.Ordinal))),
        Is("isdecimal", s => All(s, Rune.IsDigit)),
        Is("isnumeric", s => All(s, IsNumeric)),
        Is("isspace", s => s.Length > 0 && PythonText.Trim(s).IsEmpty),
        Is("isascii", s => s.All(char.IsAscii)),
        Is("islower", s => LetterCase.IsAll(s, upper: false)),
        Is("isupper", s => LetterCase.IsAll(s, upper: true)),
        Is("istitle", LetterCase.IsTitle),
        Is("isprintable", s => s.EnumerateRunes().All(PythonText.IsPrintable)),
        Is("isidentifier", s => All(s, r => Rune.IsLetterOrDigit(r) || r.Value == '_') && !char.IsDigit(s[0])),
        Builtin.Variadic("format", c => Self(c).With(new BraceFormat(c.All.Skip(1), c.Budget).Apply(Self(c).Text))),
        Builtin.Of("format_map", "self mapping", c =>
            Self(c).With(new BraceFormat(NamedBy(c[1]), c.Budget).Apply(Self(c).Text)))));

    public static Value? Find(StringValue self, string name) => Table.Find(self, name);

    private static Builtin Of(string name, string parameters, Func<Invocation, string, Value> body) =>
        Builtin.Of(name, "self " + parameters, c => body(c, Self(c).Text));

    /// <summary>A method whose result is a string of the same kind as the value it belongs to.</summary>
    private static Builtin Map(string name, string parameters, Func<Invocation, string, string> body) =>
        Builtin.Of(name, "self " + parameters, c => Self(c).With(body(c, Self(c).Text)));

    private static Builtin Is(string name, Func<string, bool> body) => Of(name, "", (_, s) => BoolValue.Of(body(s)));

    private static StringValue Self(Invocation call) => (StringValue)call.All.Positional[0];

    private static bool All(string text, Func<Rune, bool> holds) => text.Length > 0 && text.EnumerateRunes().All(holds);

    private static bool IsNumeric(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    private static string? Chars(Invocation call) => call.Given(1) is null ? null : call.String(1);

    private static string? Separator(Invocation call) => call.Given(1) is null ? null : NotEmpty(call);

    private static string NotEmpty(Invocation call) =>
        call.String(1) is { Length: > 0 } separator ? separator : throw new JinjaException("empty separator");

    /// <summary>A string argument; within markup, escaped.</summary>
    private static string Escaped(Invocation call, int index)
    {
        var text = call.String(index);
        return Self(call).IsMarkup && call[index] is StringValue value ? Markup.Escape(value) : text;
    }

    private static string JoinPart(Invocation call, Value item, int index)
    {
        if (Self(call).IsMarkup) return item is StringValue safe ? Markup.Escape(safe)
            : TextBuilder.TextOf(item, call.Budget);
        return item is StringValue text
            ? text.Text
            : throw new JinjaException($"sequence item {index}: expected str instance, {item.TypeName} found");
    }

    private static string Pad(Invocation call, string text, char alignment)
    {
        var fill = call.Text(2, " ");
        if (PythonText.CountCodePoints(fill) != 1)
            throw new JinjaException("The fill character must be exactly one character long");
        return StringTools.Pad(text, call.Integer(1), fill, alignment, call.Budget);
    }

    private static ListValue Parts(Invocation call, IEnumerable<string> parts)
    {
        List<Value> values = [];
        foreach (var part in parts)
        {
            call.Budget.Items(1);
            call.Budget.Text(part.Length);
            values.Add(Self(call).With(part));
        }

        return new ListValue(values);
    }

    private static TupleValue Partition(Invocation call, int at, bool fromEnd)
    {
        var (self, separator) = (Self(call), call.String(1));
        StringValue[] parts = at >= 0
            ? [self.With(self.Text[..at]), self.With(separator), self.With(self.Text[(at + separator.Length)..])]
            : fromEnd ? [StringValue.Empty, StringValue.Empty, self] : [self, StringValue.Empty, StringValue.Empty];
        call.Budget.Text(self.Text.Length);
        return new TupleValue(parts);
    }

    /// <summary>The part of the string that the optional start and end arguments leave.</summary>
    private static string Part(Invocation call) => call.Given(2) is null && call.Given(3) is null
        ? Self(call).Text
        : ((StringValue)Self(call).Slice(Range(call), call.Budget)).Text;

    private static SliceBounds Range(Invocation call) =>
        new(call.Integer(2, 0), call.Given(3) is null ? null : call.Integer(3), null);

    private static BoolValue HasAffix(Invocation call, Func<string, string, bool> matches)
    {
        var text = Part(call);
        var affixes = call[1] is TupleValue several ? several.Elements : [call[1]];
        foreach (var affix in affixes)
        {
            call.Budget.Step();
            if (affix is not StringValue part)
                throw new JinjaException(
                    $"startswith/endswith first arg must be str or a tuple of str, not {affix.TypeName}");
            call.Budget.Read(part.Text.Length);
            if (matches(text, part.Text)) return BoolValue.True;
        }

        return BoolValue.False;
    }

    private static int Position(Invocation call, bool fromEnd)
    {
        var text = Part(call);
        var offset = Range(call).Resolve(Self(call).CodePoints).Start;
        var at = fromEnd
            ? TextSearch.LastIndexOf(text, call.String(1), text.Length, call.Budget)
            : TextSearch.IndexOf(text, call.String(1), 0, call.Budget);
        return at < 0 ? -1 : offset + PythonText.CountCodePoints(text.AsSpan(0, at));
    }

    private static IntValue Found(int position) =>
        position >= 0 ? new IntValue(position) : throw new JinjaException("substring not found");

    private static Arguments NamedBy(Value mapping) => mapping is DictValue dict
        ? new Arguments([], [.. dict.Entries.Where(e => e.Key is StringValue)
            .Select(e => new KeyValuePair<string, Value>(((StringValue)e.Key).Text, e.Value))])
        : throw new JinjaException("format_map() argument must be a mapping");
}
