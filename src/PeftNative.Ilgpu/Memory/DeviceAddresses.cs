using ILGPU;
using ILGPU.Runtime;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu.Memory;

/// <summary>
/// The addresses of a device's memory. A <see cref="Tensor"/> names its first element by one number, but ILGPU's
/// buffers have no address that holds on every accelerator (on OpenCL they are handles). So each allocation gets a
/// range of numbers of its own, from a counter that only grows; an operand's number is found again in the range it lies
/// in, and the distance to its start is the offset in the buffer. Ranges are never used twice and have gaps between
/// them, so that a stale or wild pointer is an error and not somebody else's memory. Not thread-safe, like the backend.
/// </summary>
internal sealed class DeviceAddresses
{
    private const long Granularity = 1 << 16;

    private readonly List<DeviceBlock> blocks = []; // by ascending address
    private nint next = (nint)Granularity;
    private DeviceBlock? last;

    /// <summary>Takes a buffer in and gives it addresses.</summary>
    public DeviceBlock Add(MemoryBuffer1D<byte, Stride1D.Dense> buffer, long bytes)
    {
        var block = new DeviceBlock(this, next, bytes, buffer);
        next = checked(next + (nint)((bytes / Granularity + 2) * Granularity));
        blocks.Add(block);
        return block;
    }

    /// <summary>The block in which an operand lies.</summary>
    /// <exception cref="ArgumentException">It lies in none: it belongs to another backend, or its memory was
    /// freed.</exception>
    public DeviceBlock Find(in Tensor tensor)
    {
        if (last is { } block && block.Contains(tensor.Pointer)) return block;
        var (low, high) = (0, blocks.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (blocks[middle].Pointer <= tensor.Pointer) low = middle;
            else high = middle - 1;
        }
        if (blocks.Count == 0 || !blocks[low].Contains(tensor.Pointer))
            throw new ArgumentException($"{tensor} at {tensor.Pointer:x} is not in the memory of this ILGPU backend");
        return last = blocks[low];
    }

    /// <summary>Takes the addresses of a block out of use.</summary>
    public void Remove(DeviceBlock block)
    {
        blocks.Remove(block);
        if (last == block) last = null;
    }
}

/// <summary>A buffer of the device and its range of addresses.</summary>
internal sealed class DeviceBlock : DeviceMemory
{
    private readonly DeviceAddresses addresses;
    private readonly MemoryBuffer1D<byte, Stride1D.Dense> buffer;

    public DeviceBlock(DeviceAddresses addresses, nint pointer, long bytes, MemoryBuffer1D<byte, Stride1D.Dense> buffer)
        : base(pointer, bytes)
    {
        (this.addresses, this.buffer) = (addresses, buffer);
        Floats = buffer.View.Cast<byte, float>();
        Integers = buffer.View.Cast<byte, int>();
    }

    /// <summary>All of the buffer as singles.</summary>
    public ArrayView<float> Floats { get; }

    /// <summary>All of the buffer as integers.</summary>
    public ArrayView<int> Integers { get; }

    /// <summary>Some bytes of the buffer, from an address on.</summary>
    public ArrayView<byte> Part(nint pointer, int count) =>
        ((ArrayView<byte>)buffer.View).SubView(pointer - Pointer, count);

    public bool Contains(nint pointer) => pointer >= Pointer && pointer < Pointer + (nint)Bytes;

    /// <summary>The number of the 4-byte element at an address.</summary>
    public long IndexOf(nint pointer) => (pointer - Pointer) / sizeof(float);

    public override void Dispose()
    {
        addresses.Remove(this);
        buffer.Dispose();
    }
}
