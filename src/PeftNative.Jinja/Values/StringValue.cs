using System.Text;
using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Library;

namespace PeftNative.Jinja.Values;

/// <summary>
/// Python's str. Lengths, indices and slices count Unicode code points, though the text is kept in UTF-16. A string
/// made by the <c>safe</c> or <c>escape</c> filter is "markup": adding plain text to it escapes that text.
/// </summary>
internal sealed class StringValue(string text, bool isMarkup = false) : Value
{
    private static readonly StringValue[] AsciiCharacters =
        [.. Enumerable.Range(0, 128).Select(c => new StringValue(((char)c).ToString()))];

    private int _length = -1;

    public static StringValue Empty { get; } = new("");

    public string Text { get; } = text;

    public bool IsMarkup { get; } = isMarkup;

    public override string TypeName => IsMarkup ? "Markup" : "str";

    public override bool IsTrue => Text.Length > 0;

    public override bool IsSequence => true;

    public override int? Length => CodePoints;

    public int CodePoints => _length >= 0 ? _length : _length = PythonText.CountCodePoints(Text);

    public override IEnumerable<Value> Items => Characters();

    public override IEnumerable<Value> ItemsReversed => Characters().Reverse();

    private bool IsOneUnitEach => CodePoints == Text.Length;

    /// <summary>A string of the same kind, plain or markup.</summary>
    public StringValue With(string other) => new(other, IsMarkup);

    public override Value? Index(Value key)
    {
        if (!Operators.IsInteger(key, out var number)) return null;
        var index = number < 0 ? number + CodePoints : number;
        if (index < 0 || index >= CodePoints) return null;
        var at = UnitOf((int)index);
        return Character(at, char.IsSurrogatePair(Text, at) ? 2 : 1);
    }

    public override Value Slice(SliceBounds bounds, Budget budget)
    {
        var (start, step, count) = bounds.Resolve(CodePoints);
        budget.Text(2L * count);
        if (count == 0) return With("");
        if (step == 1) return With(Text[UnitOf(start)..UnitOf(start + count)]);
        var starts = CodePointStarts();
        var result = new StringBuilder(count);
        for (var i = 0; i < count; i++)
        {
            var at = start + (i * step);
            result.Append(Text, starts[at], starts[at + 1] - starts[at]);
        }

        return With(result.ToString());
    }

    public override Value? Attribute(string name) => StringMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output)
    {
        if (IsMarkup) output.Append("Markup(");
        PythonText.WriteQuoted(Text, output);
        if (IsMarkup) output.Append(")");
    }

    public override void WriteText(TextBuilder output) => output.Append(Text);

    /// <summary>The UTF-16 index of a code point, or the text's end.</summary>
    private int UnitOf(int codePoint)
    {
        if (IsOneUnitEach) return codePoint;
        var at = 0;
        for (; codePoint > 0; codePoint--) at += char.IsSurrogatePair(Text, at) ? 2 : 1;
        return at;
    }

    private int[] CodePointStarts()
    {
        var starts = new int[CodePoints + 1];
        for (var (i, at) = (0, 0); i < CodePoints; i++)
        {
            starts[i] = at;
            at += at + 1 < Text.Length && char.IsSurrogatePair(Text, at) ? 2 : 1;
        }

        starts[^1] = Text.Length;
        return starts;
    }

    private IEnumerable<Value> Characters()
    {
        for (var at = 0; at < Text.Length;)
        {
            var units = at + 1 < Text.Length && char.IsSurrogatePair(Text, at) ? 2 : 1;
            yield return Character(at, units);
            at += units;
        }
    }

    private StringValue Character(int at, int units) =>
        Text[at] < 128 ? AsciiCharacters[Text[at]] : new StringValue(Text.Substring(at, units));
}
