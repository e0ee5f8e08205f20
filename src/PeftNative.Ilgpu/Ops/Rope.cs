using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in RopeOp op) => Rotate(op, 1);

    /// <inheritdoc/>
    public void Backward(in RopeOp op) => Rotate(op, -1);

    private void Rotate(in RopeOp op, int direction) =>
        Each(RopeKernels.Rotate, (long)op.X.Rows * op.Heads * op.Cos.Columns, new RopeArguments
    {
        X = View(op.X),
        Cos = View(op.Cos),
        Sin = View(op.Sin),
        Positions = Integers(op.Positions),
        Heads = op.Heads,
        HeadStride = op.HeadStride,
        Direction = direction,
    });
}
