using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Tests;

/// <summary>A backend whose kernels run under a schedule of its own: the emulator runs them when somebody waits.</summary>
internal sealed class ScheduledBackend(CudaBackend inner, string schedule) : IBackend
{
    public string Name => inner.Name;

    public string Description => schedule;

    public DType ComputeType => inner.ComputeType;

    public DeviceMemory Allocate(long bytes, string purpose) => inner.Allocate(bytes, purpose);

    public void Upload(ReadOnlySpan<byte> source, in Tensor target) => inner.Upload(source, target);

    public void Download(in Tensor source, Span<byte> target)
    {
        Emulator.SetSchedule(schedule);
        inner.Download(source, target);
    }

    public double SumOfSquares(in Tensor x)
    {
        Emulator.SetSchedule(schedule);
        return inner.SumOfSquares(x);
    }

    public void Dispose() => inner.Dispose();

    public PreparedWeight? Prepare(in Tensor weight) => inner.Prepare(weight);

    public void Forward(in LinearOp op) => inner.Forward(op);

    public void Backward(in LinearOp op, in LinearGradients gradients) => inner.Backward(op, gradients);

    public void Forward(in DoraScaleOp op) => inner.Forward(op);

    public void Backward(in DoraScaleOp op, in DoraScaleGradients gradients) => inner.Backward(op, gradients);

    public void Forward(in EmbeddingOp op) => inner.Forward(op);

    public void Backward(in EmbeddingOp op, in EmbeddingGradients gradients) => inner.Backward(op, gradients);

    public void Forward(in NormOp op) => inner.Forward(op);

    public void Backward(in NormOp op, in NormGradients gradients) => inner.Backward(op, gradients);

    public void Forward(in RopeOp op) => inner.Forward(op);

    public void Backward(in RopeOp op) => inner.Backward(op);

    public void Forward(in AttentionOp op) => inner.Forward(op);

    public void Backward(in AttentionOp op, in AttentionGradients gradients) => inner.Backward(op, gradients);

    public void Forward(in GateOp op) => inner.Forward(op);

    public void Backward(in GateOp op, in GateGradients gradients) => inner.Backward(op, gradients);

    public void Forward(in DropoutOp op) => inner.Forward(op);

    public void Forward(in DequantizeOp op) => inner.Forward(op);

    public void Forward(in GatherOp op) => inner.Forward(op);

    public void Backward(in GatherOp op, in GatherGradients gradients) => inner.Backward(op, gradients);

    public void Run(in CrossEntropyOp op) => inner.Run(op);

    public void Run(in RegressionLossOp op) => inner.Run(op);

    public void Run(in AdamWOp op) => inner.Run(op);

    public void AddScaled(in Tensor x, double scale, in Tensor y) => inner.AddScaled(x, scale, y);

    public void Fill(in Tensor x, double value) => inner.Fill(x, value);

    public void Copy(in Tensor x, in Tensor y) => inner.Copy(x, y);
}
