using System.Text;

namespace PeftNative.Jinja.Values;

/// <summary>Builds a text and counts each piece against the budget before it takes memory.</summary>
internal sealed class TextBuilder(Budget budget, int maximumLength = int.MaxValue)
{
    private readonly StringBuilder _text = new();

    public Budget Budget { get; } = budget;

    public int Length => _text.Length;

    public void Append(ReadOnlySpan<char> text)
    {
        Count(text.Length);
        _text.Append(text);
    }

    public void Append(char c, int count)
    {
        if (count <= 0) return;
        Count(count);
        _text.Append(c, count);
    }

    public override string ToString() => _text.ToString();

    /// <summary>The text Python's <c>str</c> gives for a value.</summary>
    public static string TextOf(Value value, Budget budget)
    {
        if (value is StringValue text) return text.Text;
        var output = new TextBuilder(budget);
        value.WriteText(output);
        return output.ToString();
    }

    /// <summary>The text Python's <c>repr</c> gives for a value.</summary>
    public static string ReprOf(Value value, Budget budget)
    {
        var output = new TextBuilder(budget);
        value.WriteRepr(output);
        return output.ToString();
    }

    private void Count(long length)
    {
        if (_text.Length + length > maximumLength)
            throw JinjaException.Limit($"The template gives more than {maximumLength} characters.");
        Budget.Text(length);
    }
}
