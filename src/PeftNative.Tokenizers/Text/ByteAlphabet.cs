namespace PeftNative.Tokenizers.Text;

/// <summary>
/// The 256 printable characters byte-level models write bytes with: printable Latin-1 as itself, the rest from U+0100
/// on.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly short[] Bytes = Invert();

    /// <summary>The character of a byte.</summary>
    public static char CharOf(byte value) => Characters[value];

    /// <summary>The byte of a character, or -1.</summary>
    public static int ByteOf(char c) => c < Bytes.Length ? Bytes[c] : -1;

    /// <summary>Writes each byte of the UTF-8 form of a text; all bytes of a character share its range.</summary>
    public static void Write(AlignedText source, int start, int length, AlignedText target)
    {
        Span<byte> utf8 = stackalloc byte[4];
        for (var i = start; i < start + length;)
        {
            var c = source.CodePointAt(i, out var units);
            var (first, last) = (source.StartOf(i), source.EndOf(i));
            i += units;
            if (c < 128)
            {
                target.Add(Characters[c], first, last);
                continue;
            }
            var count = new System.Text.Rune(c).EncodeToUtf8(utf8);
            foreach (var b in utf8[..count]) target.Add(Characters[b], first, last);
        }
    }

    private static char[] Build()
    {
        var characters = new char[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
        {
            var printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            characters[b] = (char)(printable ? b : next++);
        }
        return characters;
    }

    private static short[] Invert()
    {
        var bytes = new short[Characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (var b = 0; b < 256; b++) bytes[Characters[b]] = (short)b;
        return bytes;
    }
}
