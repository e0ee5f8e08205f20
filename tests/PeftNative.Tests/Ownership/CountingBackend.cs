using PeftNative.Backends.Reference;
using PeftNative.Tensors;
using PeftNative.Tests.Ops;

namespace PeftNative.Tests.Ownership;

/// <summary>The reference backend with a count of what it has handed out and not got back.</summary>
internal sealed class CountingBackend() : ForwardingBackend(ReferenceBackend.Create(DType.Float32))
{
    private readonly Dictionary<object, string> held = [];

    /// <summary>What is held, by purpose.</summary>
    public IReadOnlyCollection<string> Held => held.Values;

    /// <summary>How many blocks were ever handed out.</summary>
    public int Allocations { get; private set; }

    public override DeviceMemory Allocate(long bytes, string purpose)
    {
        Allocations++;
        return new Counted(this, base.Allocate(bytes, purpose), purpose);
    }

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
}
