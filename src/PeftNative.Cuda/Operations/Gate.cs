using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in GateOp op)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(op.Up).Add((int)op.Activation).Add(op.Y);
        Launch(kernels.Get("gate", "gate_forward", op.X.Type), Pieces(op.X), arguments);
    }

    /// <inheritdoc/>
    public void Backward(in GateOp op, in GateGradients gradients)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(op.Up).Add((int)op.Activation).Add(gradients.DY).Add(gradients.DX).Add(gradients.DUp);
        Launch(kernels.Get("gate", "gate_backward", op.X.Type), Pieces(op.X), arguments);
    }
}
