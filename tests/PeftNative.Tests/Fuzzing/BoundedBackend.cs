using PeftNative.Ops;
using PeftNative.Tensors;
using PeftNative.Tests.Ops;
using Xunit;

namespace PeftNative.Tests.Fuzzing;

/// <summary>A backend that hands out only so much memory at a time: more is a fault of who asks.</summary>
internal sealed class BoundedBackend(IBackend inner, long most) : ForwardingBackend(inner), IBackend
{
    private long held;

    bool IBackend.ReadsMappedFiles => true;

    public override DeviceMemory Allocate(long bytes, string purpose)
    {
        Assert.True(held + bytes <= most, $"{bytes} bytes for {purpose}, beside {held}");
        return new Counted(this, base.Allocate(bytes, purpose));
    }

    private sealed class Counted : DeviceMemory
    {
        private readonly BoundedBackend owner;
        private readonly DeviceMemory memory;

        public Counted(BoundedBackend owner, DeviceMemory memory) : base(memory.Pointer, memory.Bytes)
        {
            (this.owner, this.memory) = (owner, memory);
            owner.held += Bytes;
        }

        public override void Dispose()
        {
            owner.held -= Bytes;
            memory.Dispose();
        }
    }
}
