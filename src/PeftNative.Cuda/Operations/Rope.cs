using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in RopeOp op) => Turn(op, 1);

    /// <inheritdoc/>
    public void Backward(in RopeOp op) => Turn(op, -1);

    private void Turn(in RopeOp op, float direction)
    {
        CheckRange("rotary embedding", "Positions", op.Positions, 0, op.Cos.Rows);
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(op.Heads).Add(op.HeadStride).Add(op.Positions).Add(op.Cos).Add(op.Sin).Add(direction);
        Launch(kernels.Get("rope", "rope_turn", op.X.Type), Pieces(op.X.Rows, op.Heads * op.Cos.Columns), arguments);
    }
}
