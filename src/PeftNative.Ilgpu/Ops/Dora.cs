using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DoraScaleOp op) => Groups(DoraKernels.Forward, op.W.Rows, ArgumentsOf(op));

    /// <inheritdoc/>
    public void Backward(in DoraScaleOp op, in DoraScaleGradients gradients) =>
        Each(DoraKernels.Backward, op.Norm.Columns,
        ArgumentsOf(op) with { DG = View(gradients.DG), DMagnitude = View(gradients.DMagnitude) });

    private DoraArguments ArgumentsOf(in DoraScaleOp op) => new()
    {
        W = View(op.W),
        A = View(op.A),
        B = View(op.B),
        Magnitude = View(op.Magnitude),
        Norm = View(op.Norm),
        G = View(op.G),
        DG = absent,
        DMagnitude = absent,
        Scale = (float)op.Scale,
    };
}
