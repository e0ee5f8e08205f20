using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op) => Each(DequantizeKernels.Forward, op.Y.Count, new DequantizeArguments
    {
        Codes = Integers(op.Codes),
        Book = View(op.Book),
        BlockSize = op.BlockSize,
        Maxima = View(op.Maxima),
        MaximaCodes = Integers(op.MaximaCodes),
        MaximaBook = View(op.MaximaBook),
        MaximaScales = View(op.MaximaScales),
        MaximaOffset = (float)op.MaximaOffset,
        Y = View(op.Y),
    });
}
