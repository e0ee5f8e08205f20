using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in GateOp op) => Each(GateKernels.Forward, op.X.Count, new GateArguments
    {
        X = View(op.X),
        Up = View(op.Up),
        Y = View(op.Y),
        Activation = (int)op.Activation,
    });

    /// <inheritdoc/>
    public void Backward(in GateOp op, in GateGradients gradients) =>
        Each(GateKernels.Backward, op.X.Count, new GateBackwardArguments
    {
        X = View(op.X),
        Up = View(op.Up),
        DY = View(gradients.DY),
        DX = View(gradients.DX),
        DUp = View(gradients.DUp),
        Activation = (int)op.Activation,
    });
}
