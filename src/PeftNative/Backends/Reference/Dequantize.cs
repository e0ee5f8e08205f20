using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op)
    {
        if (op.Format != BlockFormat.None)
        {
            FromBlocks(op);
            return;
        }
        for (var n = 0; n < op.Y.Rows; n++)
            for (var k = 0; k < op.Y.Columns; k++)
            {
                var block = Block(op, n, k);
                var value = Value(op, (long)n * op.Y.Columns + k);
                if (op.Zeros.IsPresent) value -= Elements.Get(op.Book, 0, Byte(op.Zeros, block));
                Elements.Set(op.Y, n, k, value * Maximum(op, block));
            }
    }

    private static unsafe void FromBlocks(in DequantizeOp op)
    {
        var (held, bytes) = (op.Format.Elements(), op.Format.Bytes());
        for (var n = 0; n < op.Y.Rows; n++)
        {
            var row = new HostBytes((byte*)op.Codes.Pointer + (long)n * op.Codes.Stride);
            for (var k = 0; k < op.Y.Columns; k++)
                Elements.Set(op.Y, n, k, BlockValues.Value(row, op.Format, k / held * bytes, k % held));
        }
    }

    private static long Block(in DequantizeOp op, int n, int k)
    {
        if (op.BlockRows == 0) return ((long)n * op.Y.Columns + k) / op.BlockSize;
        var group = op.Groups.IsPresent ? (int)Elements.Get(op.Groups, 0, k) : k / op.BlockSize;
        return (long)(n / op.BlockRows) * ((op.Y.Columns + op.BlockSize - 1) / op.BlockSize) + group;
    }

    private static double Value(in DequantizeOp op, long element)
    {
        if (!op.Book.IsPresent) return (sbyte)Byte(op.Codes, element) / 127.0;
        if (op.Book.Columns > 16) return Elements.Get(op.Book, 0, Byte(op.Codes, element));
        var pair = Byte(op.Codes, element / 2);
        return Elements.Get(op.Book, 0, element % 2 == 0 ? pair >> 4 : pair & 15);
    }

    private static double Maximum(in DequantizeOp op, long block) => op.Maxima.IsPresent
        ? Elements.Get(op.Maxima, 0, (int)block)
        : Elements.Get(op.MaximaBook, 0, Byte(op.MaximaCodes, block))
        * Elements.Get(op.MaximaScales, 0, (int)(block / 256)) + op.MaximaOffset;

    private static unsafe byte Byte(in Tensor words, long index) => ((byte*)words.Pointer)[index];

    private readonly unsafe struct HostBytes(byte* start) : IByteRow
    {
        public int At(int index) => start[index];
    }
}
