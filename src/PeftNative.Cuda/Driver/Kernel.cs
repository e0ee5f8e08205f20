namespace PeftNative.Cuda.Driver;

/// <summary>A kernel that was looked up in its module.</summary>
internal sealed class Kernel(string name, nint handle)
{
    /// <summary>What a block may use without asking.</summary>
    private const int SharedBytesByDefault = 48 * 1024;

    public string Name => name;

    public nint Handle => handle;

    /// <summary>The most dynamic shared memory it may be launched with so far.</summary>
    public int LargestSharedBytes { get; private set; } = SharedBytesByDefault;

    /// <summary>Asks the driver for more dynamic shared memory.</summary>
    public void AllowShared(CudaDevice device, int bytes)
    {
        device.Check(device.Driver.SetFunctionAttribute(handle, FunctionAttribute.MaxDynamicSharedSize, bytes),
            "cuFuncSetAttribute",
            $"{name}, {bytes:N0} bytes of shared memory, the device has {device.MaxSharedBytes:N0}");
        LargestSharedBytes = bytes;
    }
}
