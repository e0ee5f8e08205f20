namespace PeftNative.Models.Loading.Stored;

/// <summary>Reads codes out of words of 32 bits and lays them row by row, as few bits each as before.</summary>
internal static class CodePacking
{
    private const int Tile = 64;

    /// <summary>Puts codes of one row into a buffer that holds rows.</summary>
    /// <param name="first">The first row of the buffer.</param>
    /// <param name="count">Its rows.</param>
    /// <param name="codes">The buffer, a byte a code, row by row.</param>
    internal delegate void TileReader(int first, int count, Span<byte> codes);

    /// <summary>Codes of 4 bits two to a byte, the first in the upper half; of 8 bits a byte each.</summary>
    internal static byte[] Pack(int rows, int columns, int bits, TileReader read)
    {
        var count = (long)rows * columns;
        var packed = new byte[bits == 4 ? (count + 1) / 2 : count];
        var tile = new byte[Tile * columns];
        for (var first = 0; first < rows; first += Tile)
        {
            var codes = tile.AsSpan(0, Math.Min(Tile, rows - first) * columns);
            read(first, codes.Length / columns, codes);
            var start = (long)first * columns;
            if (bits == 8) codes.CopyTo(packed.AsSpan((int)start));
            else Halves(codes, packed.AsSpan((int)(start / 2)));
        }
        return packed;
    }

    /// <summary>Words that each hold codes of one column of consecutive rows: [⌈rows · bits / 32⌉, columns].</summary>
    internal static byte[] Down(ReadOnlySpan<int> words, int rows, int columns, int bits)
    {
        var (perWord, mask) = (32 / bits, (1 << bits) - 1);
        var codes = new byte[rows * columns];
        for (var r = 0; r < rows; r++)
            for (var c = 0; c < columns; c++)
                codes[r * columns + c] = (byte)(words[r / perWord * columns + c] >> r % perWord * bits & mask);
        return codes;
    }

    /// <summary>Words that each hold codes of one row of consecutive columns, in an order of their own.</summary>
    internal static byte[] Along(ReadOnlySpan<int> words, int rows, int columns, int bits, ReadOnlySpan<int> order)
    {
        var (perWord, mask) = (32 / bits, (1 << bits) - 1);
        var (perRow, codes) = ((columns + perWord - 1) / perWord, new byte[rows * columns]);
        for (var r = 0; r < rows; r++)
            for (var w = 0; w < perRow; w++)
                for (var i = 0; i < perWord; i++)
                    if (w * perWord + order[i] is var c && c < columns)
                        codes[r * columns + c] = (byte)(words[r * perRow + w] >> i * bits & mask);
        return codes;
    }

    /// <summary>A matrix of bytes turned over its diagonal.</summary>
    internal static byte[] Transpose(byte[] codes, int rows, int columns)
    {
        var turned = new byte[codes.Length];
        for (var r = 0; r < rows; r++)
            for (var c = 0; c < columns; c++)
                turned[c * rows + r] = codes[r * columns + c];
        return turned;
    }

    private static void Halves(ReadOnlySpan<byte> codes, Span<byte> packed)
    {
        var i = 0;
        for (; i + 1 < codes.Length; i += 2) packed[i / 2] = (byte)(codes[i] << 4 | codes[i + 1]);
        if (i < codes.Length) packed[i / 2] = (byte)(codes[i] << 4);
    }
}
