using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in GatherOp op)
    {
        CheckRange("gather", "Rows", op.Rows, 0, op.X.Rows);
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(op.Rows).Add(op.Y);
        Launch(kernels.Get("gather", "gather_forward", op.X.Type), Pieces(op.Y), arguments);
    }

    /// <inheritdoc/>
    public void Backward(in GatherOp op, in GatherGradients gradients)
    {
        var arguments = new KernelArguments();
        arguments.Add(gradients.DY).Add(op.Rows).Add(gradients.DX);
        Launch(kernels.Get("gather", "gather_backward", gradients.DX.Type),
            new(gradients.DX.Rows, ThreadsFor(gradients.DX.Columns)), arguments);
    }
}
