using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op)
    {
        var arguments = new KernelArguments();
        var isBlocks = op.Format != BlockFormat.None;
        if (isBlocks) arguments.Add(op.Codes).Add(op.Y).Add((int)op.Format);
        else arguments.Add(new KernelCodes(op)).Add(op.Y);
        Launch(kernels.Get("dequantize", isBlocks ? "dequantize_blocks" : "dequantize_forward", op.Y.Type),
            Pieces(op.Y), arguments);
    }

    /// <summary>The layout of <c>Codes</c> in kernels/dequantize.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct KernelCodes(in DequantizeOp op)
    {
        public readonly Tensor Codes = op.Codes, Book = op.Book, Groups = op.Groups, Zeros = op.Zeros;
        public readonly Tensor Maxima = op.Maxima;
        public readonly Tensor MaximaCodes = op.MaximaCodes, MaximaBook = op.MaximaBook, MaximaScales = op.MaximaScales;
        public readonly float MaximaOffset = (float)op.MaximaOffset;
        public readonly int BlockSize = op.BlockSize, BlockRows = op.BlockRows;
    }
}
