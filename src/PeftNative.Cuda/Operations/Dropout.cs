using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in DropoutOp op)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(MaskOf(op.Mask)).Add(op.Accumulate ? 1 : 0).Add(op.Y);
        Launch(kernels.Get("dropout", "dropout_forward", op.X.Type), Pieces(op.X), arguments);
    }
}
