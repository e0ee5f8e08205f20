using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Tests.Ownership;

/// <summary>The reference backend with a count of what it has handed out and not got back.</summary>
internal sealed class CountingBackend : IBackend
{
    private readonly ReferenceBackend inner = ReferenceBackend.Create(DType.Float32);
    private readonly Dictionary<object, string> held = [];

    /// <summary>What is held, by purpose.</summary>
    public IReadOnlyCollection<string> Held => held.Values;

    /// <summary>How many blocks were ever handed out.</summary>
    public int Allocations { get; private set; }

    public string Name => inner.Name;

    public string Description => inner.Description;

    public DType ComputeType => inner.ComputeType;

    public DeviceMemory Allocate(long bytes, string purpose)
    {
        Allocations++;
        return new Counted(this, inner.Allocate(bytes, purpose), purpose);
    }

    public PreparedWeight? Prepare(in Tensor weight) => new CountedWeight(this);

    public void Upload(ReadOnlySpan<byte> source, in Tensor target) => inner.Upload(source, target);

    public void Download(in Tensor source, Span<byte> target) => inner.Download(source, target);

    public void Forward(in LinearOp op) => inner.Forward(op with { Prepared = null });

    public void Backward(in LinearOp op, in LinearGradients gradients) => inner.Backward(op with { Prepared = null }, gradients);

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

    public void Forward(in GatherOp op) => inner.Forward(op);

    public void Backward(in GatherOp op, in GatherGradients gradients) => inner.Backward(op, gradients);

    public void Run(in CrossEntropyOp op) => inner.Run(op);

    public void Run(in RegressionLossOp op) => inner.Run(op);

    public void Run(in AdamWOp op) => inner.Run(op);

    public double SumOfSquares(in Tensor x) => inner.SumOfSquares(x);

    public void AddScaled(in Tensor x, double scale, in Tensor y) => inner.AddScaled(x, scale, y);

    public void Fill(in Tensor x, double value) => inner.Fill(x, value);

    public void Copy(in Tensor x, in Tensor y) => inner.Copy(x, y);

    public void Dispose() => inner.Dispose();

    private sealed class Counted : DeviceMemory
    {
        private readonly CountingBackend owner;
        private readonly DeviceMemory memory;

        public Counted(CountingBackend owner, DeviceMemory memory, string purpose) : base(memory.Pointer, memory.Bytes)
        {
            (this.owner, this.memory) = (owner, memory);
            owner.held.Add(this, purpose);
        }

        public override void Dispose()
        {
            owner.held.Remove(this);
            memory.Dispose();
        }
    }

    private sealed class CountedWeight : PreparedWeight
    {
        private readonly CountingBackend owner;

        public CountedWeight(CountingBackend owner)
        {
            this.owner = owner;
            owner.held.Add(this, "prepared weight");
        }

        public override long Bytes => 0;

        public override void Dispose() => owner.held.Remove(this);
    }
}
