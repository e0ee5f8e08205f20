using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op)
    {
        for (var n = 0; n < op.Y.Rows; n++)
            for (var k = 0; k < op.Y.Columns; k++)
            {
                var e = (long)n * op.Y.Columns + k;
                Elements.Set(op.Y, n, k, Value(op, e) * Maximum(op, e / op.BlockSize));
            }
    }

    private static double Value(in DequantizeOp op, long element)
    {
        if (!op.Book.IsPresent) return (sbyte)Byte(op.Codes, element) / 127.0;
        var pair = Byte(op.Codes, element / 2);
        return Elements.Get(op.Book, 0, element % 2 == 0 ? pair >> 4 : pair & 15);
    }

    private static double Maximum(in DequantizeOp op, long block) => op.Maxima.IsPresent
        ? Elements.Get(op.Maxima, 0, (int)block)
        : Elements.Get(op.MaximaBook, 0, Byte(op.MaximaCodes, block))
        * Elements.Get(op.MaximaScales, 0, (int)(block / 256)) + op.MaximaOffset;

    private static unsafe byte Byte(in Tensor words, long index) => ((byte*)words.Pointer)[index];
}
