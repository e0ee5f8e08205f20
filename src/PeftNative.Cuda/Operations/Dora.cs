using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in DoraScaleOp op)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.W).Add(op.A).Add(op.B).Add((float)op.Scale).Add(op.Magnitude).Add(op.Norm).Add(op.G);
        Launch(kernels.Get("dora", "dora_norm", op.W.Type), new(op.W.Rows, ThreadsFor(op.W.Columns)), arguments);
    }

    /// <inheritdoc/>
    public void Backward(in DoraScaleOp op, in DoraScaleGradients gradients)
    {
        var arguments = new KernelArguments();
        arguments.Add(gradients.DG).Add(op.Norm).Add(gradients.DMagnitude);
        Launch(kernels.Get("dora", "dora_magnitude_gradient", DType.Float32), Pieces(gradients.DG), arguments);
    }
}
