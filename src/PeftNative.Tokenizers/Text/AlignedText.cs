namespace PeftNative.Tokenizers.Text;

/// <summary>
/// Characters on their way to tokens, each with the range of the original text (UTF-16 code units) it stands for. Both
/// halves of a surrogate pair carry the range of the pair. Reused from call to call.
/// </summary>
internal sealed class AlignedText
{
    private char[] chars = new char[256];
    private int[] starts = new int[256], ends = new int[256];

    /// <summary>The number of code units.</summary>
    public int Length { get; private set; }

    /// <summary>The characters.</summary>
    public ReadOnlySpan<char> Chars => chars.AsSpan(0, Length);

    /// <summary>Where in the original text the character at a position begins.</summary>
    public int StartOf(int position) => starts[position];

    /// <summary>Where in the original text the character at a position ends.</summary>
    public int EndOf(int position) => ends[position];

    /// <summary>Forgets the characters from a position on.</summary>
    public void Truncate(int length = 0) => Length = length;

    /// <summary>Changes one code unit where it stands.</summary>
    public void Set(int position, char c) => chars[position] = c;

    /// <summary>Adds one code unit.</summary>
    public void Add(char c, int start, int end)
    {
        if (Length == chars.Length) Grow(1);
        chars[Length] = c;
        starts[Length] = start;
        ends[Length++] = end;
    }

    /// <summary>Adds one code point.</summary>
    public void Add(int codePoint, int start, int end)
    {
        if (codePoint < 0x10000)
        {
            Add((char)codePoint, start, end);
            return;
        }
        Add((char)(0xD800 + ((codePoint - 0x10000) >> 10)), start, end);
        Add((char)(0xDC00 + (codePoint & 0x3FF)), start, end);
    }

    /// <summary>Adds a part of the original text; a lone surrogate, which is no character, becomes U+FFFD.</summary>
    public void AddOriginal(ReadOnlySpan<char> text, int offset)
    {
        Grow(text.Length);
        text.CopyTo(chars.AsSpan(Length));
        for (var i = 0; i < text.Length; i++)
        {
            starts[Length + i] = offset + i;
            ends[Length + i] = offset + i + 1;
        }
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
            {
                ends[Length + i]++;
                starts[Length + ++i]--;
            }
            else
            {
                chars[Length + i] = '\uFFFD';
            }
        }
        Length += text.Length;
    }

    /// <summary>Adds a part of another text.</summary>
    public void Add(AlignedText other, int position, int length)
    {
        Grow(length);
        other.chars.AsSpan(position, length).CopyTo(chars.AsSpan(Length));
        other.starts.AsSpan(position, length).CopyTo(starts.AsSpan(Length));
        other.ends.AsSpan(position, length).CopyTo(ends.AsSpan(Length));
        Length += length;
    }

    /// <summary>The code point at a position and how many code units it takes.</summary>
    public int CodePointAt(int position, out int units) => CodePoint(Chars, position, out units);

    /// <summary>The code point at a position of a text and how many code units it takes.</summary>
    public static int CodePoint(ReadOnlySpan<char> text, int position, out int units)
    {
        var c = text[position];
        units = 1;
        if (!char.IsHighSurrogate(c) || position + 1 >= text.Length || !char.IsLowSurrogate(text[position + 1]))
            return c;
        units = 2;
        return char.ConvertToUtf32(c, text[position + 1]);
    }

    /// <summary>The code point that ends just before a position and how many code units it takes.</summary>
    public static int CodePointBefore(ReadOnlySpan<char> text, int position, out int units)
    {
        units = 1;
        if (position < 2 || !char.IsSurrogatePair(text[position - 2], text[position - 1])) return text[position - 1];
        units = 2;
        return char.ConvertToUtf32(text[position - 2], text[position - 1]);
    }

    private void Grow(int more)
    {
        if (Length + more <= chars.Length) return;
        var size = Math.Max(chars.Length * 2, Length + more);
        Array.Resize(ref chars, size);
        Array.Resize(ref starts, size);
        Array.Resize(ref ends, size);
    }
}
