using PeftNative.Ops;

namespace PeftNative.Cuda;

#pragma warning disable CS1591
// Not registered with the factory yet: operations move out of here to the file of their stem.
public sealed partial class CudaBackend
{
    public void Forward(in NormOp op) => throw new NotSupportedException();
    public void Backward(in NormOp op, in NormGradients gradients) => throw new NotSupportedException();
    public void Forward(in RopeOp op) => throw new NotSupportedException();
    public void Backward(in RopeOp op) => throw new NotSupportedException();
    public void Forward(in AttentionOp op) => throw new NotSupportedException();
    public void Backward(in AttentionOp op, in AttentionGradients gradients) => throw new NotSupportedException();
    public void Forward(in GateOp op) => throw new NotSupportedException();
    public void Backward(in GateOp op, in GateGradients gradients) => throw new NotSupportedException();
    public void Forward(in DropoutOp op) => throw new NotSupportedException();
    public void Forward(in GatherOp op) => throw new NotSupportedException();
    public void Backward(in GatherOp op, in GatherGradients gradients) => throw new NotSupportedException();
}
