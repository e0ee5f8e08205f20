using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

/// <summary>What was last uploaded to tensors of integers, by address.</summary>
internal sealed class HostIntegers
{
    private readonly Dictionary<nint, int[]> byAddress = [];

    public void Remember(in Tensor tensor, ReadOnlySpan<byte> values) =>
        byAddress[tensor.Pointer] = MemoryMarshal.Cast<byte, int>(values).ToArray();

    /// <summary>Whether exactly this tensor (or a longer one at its address) was uploaded.</summary>
    public bool TryGet(in Tensor tensor, out ReadOnlySpan<int> values)
    {
        var found = byAddress.TryGetValue(tensor.Pointer, out var known) && known.Length >= tensor.Count
            && tensor.IsContiguous;
        values = found ? known.AsSpan(0, (int)tensor.Count) : default;
        return found;
    }

    /// <summary>The tensor was written on the device.</summary>
    public void Forget(in Tensor tensor) => byAddress.Remove(tensor.Pointer);

    /// <summary>The memory was given back.</summary>
    public void Forget(DeviceMemory memory)
    {
        foreach (var address in byAddress.Keys.Where(a => a >= memory.Pointer
            && a < memory.Pointer + (nint)memory.Bytes).ToList())
            byAddress.Remove(address);
    }
}
