using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in GatherOp op) => Each(GatherKernels.Forward, op.Y.Count, new GatherArguments
    {
        X = View(op.X),
        Y = View(op.Y),
        Rows = Integers(op.Rows),
    });

    /// <inheritdoc/>
    public void Backward(in GatherOp op, in GatherGradients gradients)
    {
        if (gradients.DY.Rows == 0) return;
        Each(GatherKernels.Scatter, gradients.DY.Columns, new GatherArguments
        {
            X = View(gradients.DY),
            Y = View(gradients.DX),
            Rows = Integers(op.Rows),
        });
    }
}
