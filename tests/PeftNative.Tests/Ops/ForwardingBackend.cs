using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Tests.Ops;

/// <summary>A backend that lets another do everything; tests change what they need to.</summary>
internal abstract class ForwardingBackend(IBackend inner) : IBackend
{
    public virtual string Name => inner.Name;

    public virtual string Description => inner.Description;

    public virtual DType ComputeType => inner.ComputeType;

    public virtual DType ParameterType => inner.ParameterType;

    public virtual bool MultipliesCodes => inner.MultipliesCodes;

    public virtual long ScoreBytes { get; init; } = inner.ScoreBytes;

    public virtual DeviceMemory Allocate(long bytes, string purpose) => inner.Allocate(bytes, purpose);

    public virtual void Upload(ReadOnlySpan<byte> source, in Tensor target) => inner.Upload(source, target);

    public virtual void Download(in Tensor source, Span<byte> target) => inner.Download(source, target);

    public virtual double SumOfSquares(in Tensor x) => inner.SumOfSquares(x);

    public virtual void Dispose() => inner.Dispose();

    public virtual void Forward(in LinearOp op) => inner.Forward(op);

    public virtual void Backward(in LinearOp op, in LinearGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in DoraScaleOp op) => inner.Forward(op);

    public virtual void Backward(in DoraScaleOp op, in DoraScaleGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in EmbeddingOp op) => inner.Forward(op);

    public virtual void Backward(in EmbeddingOp op, in EmbeddingGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in NormOp op) => inner.Forward(op);

    public virtual void Backward(in NormOp op, in NormGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in RopeOp op) => inner.Forward(op);

    public virtual void Backward(in RopeOp op) => inner.Backward(op);

    public virtual void Forward(in AttentionOp op) => inner.Forward(op);

    public virtual void Backward(in AttentionOp op, in AttentionGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in GateOp op) => inner.Forward(op);

    public virtual void Backward(in GateOp op, in GateGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in BottleneckOp op) => inner.Forward(op);

    public virtual void Backward(in BottleneckOp op, in BottleneckGradients gradients) => inner.Backward(op, gradients);

    public virtual void Forward(in DropoutOp op) => inner.Forward(op);

    public virtual void Forward(in DequantizeOp op) => inner.Forward(op);

    public virtual void Forward(in GatherOp op) => inner.Forward(op);

    public virtual void Backward(in GatherOp op, in GatherGradients gradients) => inner.Backward(op, gradients);

    public virtual void Run(in CrossEntropyOp op) => inner.Run(op);

    public virtual void Run(in RegressionLossOp op) => inner.Run(op);

    public virtual void Run(in AdamWOp op) => inner.Run(op);

    public virtual void AddScaled(in Tensor x, double scale, in Tensor y) => inner.AddScaled(x, scale, y);

    public virtual void Fill(in Tensor x, double value) => inner.Fill(x, value);

    public virtual void Copy(in Tensor x, in Tensor y) => inner.Copy(x, y);
}
