using PeftNative.Tensors;

namespace PeftNative.Cuda.Driver;

/// <summary>A block of device memory.</summary>
internal sealed class CudaMemory(CudaDevice device, long bytes, string purpose)
    : DeviceMemory(Take(device, bytes, purpose), bytes)
{
    private readonly long number = device.Memory.Add();

    /// <summary>Called before the block is given back.</summary>
    public Action<CudaMemory>? Released { get; init; }

    public override void Dispose()
    {
        if (Pointer == 0) return;
        device.RefuseRecording("giving memory back");
        device.Memory.Remove(number);
        Released?.Invoke(this);
        // The driver waits for kernels that use it. A device that was lost has given everything back already.
        if (device.Driver.Free(Pointer) == CudaResult.Success) Pointer = 0;
        Pointer = 0;
    }

    private static nint Take(CudaDevice device, long bytes, string purpose)
    {
        device.RefuseRecording("taking memory");
        device.MakeCurrent();
        var result = device.Driver.Allocate((nuint)Math.Max(bytes, 1), out var pointer);
        if (result == CudaResult.Success) return pointer;
        _ = device.Driver.GetMemoryInfo(out var free, out var total);
        device.Check(result, "cuMemAlloc", $"{bytes:N0} bytes for {purpose}; {free:N0} of {total:N0} bytes are free");
        return 0;
    }
}
