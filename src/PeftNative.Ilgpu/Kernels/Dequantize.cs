using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;
using PeftNative.Ops;

namespace PeftNative.Ilgpu.Kernels;

internal struct DequantizeArguments
{
    public ArrayView<int> Codes, Groups, Zeros, MaximaCodes;   // bytes, four to a word; groups are words
    public Matrix Book, Maxima, MaximaBook, MaximaScales, Y;
    public float MaximaOffset;
    public int BlockSize, BlockRows;
    public int Format, BlockBytes, FirstByte, RowBytes;         // of blocks as files have them
}

internal static class DequantizeKernels
{
    /// <summary>Y = the value of a code, less that of zero, times the scale of its block; a thread each.</summary>
    public static void Forward(Index1D index, DequantizeArguments a)
    {
        int element = index;
        var (row, column) = (element / a.Y.Columns, element % a.Y.Columns);
        var block = Block(a, element, row, column);
        var value = Value(a, element);
        if (a.Zeros.Length > 0) value -= a.Book[0, Byte(a.Zeros, block)];
        a.Y.Set(row, column, value * Maximum(a, block));
    }

    /// <summary>Y = the elements of blocks as files have them; a thread per element.</summary>
    public static void Blocks(Index1D index, DequantizeArguments a)
    {
        int element = index;
        var (row, column) = (element / a.Y.Columns, element % a.Y.Columns);
        var bytes = new Words(a.Codes, a.FirstByte + row * a.RowBytes);
        a.Y.Set(row, column, BlockValues.Value(bytes, (BlockFormat)a.Format,
            column / a.BlockSize * a.BlockBytes, column % a.BlockSize));
    }

    private static int Block(in DequantizeArguments a, int element, int row, int column)
    {
        if (a.BlockRows == 0) return element / a.BlockSize;
        var group = a.Groups.Length > 0 ? a.Groups[column] : column / a.BlockSize;
        return row / a.BlockRows * ((a.Y.Columns + a.BlockSize - 1) / a.BlockSize) + group;
    }

    private static float Value(in DequantizeArguments a, int element)
    {
        if (!a.Book.IsPresent) return (Byte(a.Codes, element) << 24 >> 24) * (1f / 127); // a signed byte
        if (a.Book.Columns > 16) return a.Book[0, Byte(a.Codes, element)];
        var pair = Byte(a.Codes, element / 2);
        return a.Book[0, element % 2 == 0 ? pair >> 4 : pair & 15];
    }

    private static float Maximum(in DequantizeArguments a, int block) => a.Maxima.IsPresent ? a.Maxima[0, block]
        : a.MaximaBook[0, Byte(a.MaximaCodes, block)] * a.MaximaScales[0, block / 256] + a.MaximaOffset;

    private static int Byte(ArrayView<int> words, int index) => (words[index / 4] >> (index % 4 * 8)) & 255;

    private readonly struct Words(ArrayView<int> words, int first) : IByteRow
    {
        public int At(int index) => Byte(words, first + index);
    }
}
