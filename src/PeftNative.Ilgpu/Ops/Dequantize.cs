using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op)
    {
        if (op.Format != BlockFormat.None) FromBlocks(op);
        else
            Each(DequantizeKernels.Forward, op.Y.Count, new DequantizeArguments
            {
                Codes = Integers(op.Codes),
                Book = View(op.Book),
                BlockSize = op.BlockSize,
                BlockRows = op.BlockRows,
                Groups = Integers(op.Groups),
                Zeros = Integers(op.Zeros),
                Maxima = View(op.Maxima),
                MaximaCodes = Integers(op.MaximaCodes),
                MaximaBook = View(op.MaximaBook),
                MaximaScales = View(op.MaximaScales),
                MaximaOffset = (float)op.MaximaOffset,
                Y = View(op.Y),
            });
    }

    private void FromBlocks(in DequantizeOp op)
    {
        var (words, first) = Bytes(op.Codes);
        Each(DequantizeKernels.Blocks, op.Y.Count, new DequantizeArguments
        {
            Codes = words, Groups = absentIntegers, Zeros = absentIntegers, MaximaCodes = absentIntegers,
            Book = absent, Maxima = absent, MaximaBook = absent, MaximaScales = absent, Y = View(op.Y),
            Format = (int)op.Format, BlockSize = op.Format.Elements(), BlockBytes = op.Format.Bytes(),
            FirstByte = first, RowBytes = op.Codes.Stride,
        });
    }
}
