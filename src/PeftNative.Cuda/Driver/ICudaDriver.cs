namespace PeftNative.Cuda.Driver;

/// <summary>
/// The entry points of a CUDA driver that this backend needs: the seam between the backend and what drives the device.
/// There is one object for each driver library in the process, so that a real device and the emulator can be used side
/// by side. Handles are passed as they are; nothing here throws.
/// </summary>
internal unsafe interface ICudaDriver
{
    /// <summary>The file it was loaded from, for people.</summary>
    string Source { get; }

    /// <summary>Whether kernels are run by the processor, from code that is already in the library.</summary>
    bool IsEmulated { get; }

    CudaResult Init();

    CudaResult GetVersion(out int version);

    CudaResult GetDeviceCount(out int count);

    CudaResult GetDevice(int ordinal, out int device);

    CudaResult GetDeviceName(int device, out string name);

    CudaResult GetDeviceAttribute(DeviceAttribute attribute, int device, out int value);

    CudaResult RetainPrimaryContext(int device, out nint context);

    CudaResult ReleasePrimaryContext(int device);

    CudaResult SetCurrentContext(nint context);

    CudaResult GetMemoryInfo(out nuint free, out nuint total);

    CudaResult Allocate(nuint bytes, out nint pointer);

    CudaResult Free(nint pointer);

    /// <summary>Page-locked host memory.</summary>
    CudaResult AllocateHost(nuint bytes, out nint pointer);

    CudaResult FreeHost(nint pointer);

    CudaResult CopyToDevice(nint target, void* source, nuint bytes, nint stream);

    CudaResult CopyToHost(void* target, nint source, nuint bytes, nint stream);

    CudaResult CopyOnDevice(nint target, nint source, nuint bytes, nint stream);

    CudaResult CreateStream(out nint stream);

    CudaResult DestroyStream(nint stream);

    CudaResult SynchronizeStream(nint stream);

    CudaResult WaitForEvent(nint stream, nint @event);

    CudaResult CreateEvent(bool timing, out nint @event);

    CudaResult DestroyEvent(nint @event);

    CudaResult RecordEvent(nint @event, nint stream);

    CudaResult SynchronizeEvent(nint @event);

    CudaResult GetElapsedTime(nint start, nint end, out float milliseconds);

    /// <summary>Loads a cubin, a fatbin or PTX that ends with a zero.</summary>
    CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module);

    CudaResult UnloadModule(nint module);

    CudaResult GetFunction(nint module, string name, out nint function);

    CudaResult SetFunctionAttribute(nint function, FunctionAttribute attribute, int value);

    /// <summary>Starts a kernel; <paramref name="arguments"/> are the addresses of its arguments.</summary>
    CudaResult Launch(nint function, in LaunchShape shape, nint stream, ReadOnlySpan<nint> arguments);

    CudaResult BeginCapture(nint stream);

    CudaResult EndCapture(nint stream, out nint graph);

    /// <summary>Whether calls on a stream are recorded rather than run: 0 when they are not.</summary>
    CudaResult GetCaptureStatus(nint stream, out int status);

    CudaResult InstantiateGraph(nint graph, out nint executable);

    CudaResult LaunchGraph(nint executable, nint stream);

    CudaResult DestroyGraph(nint graph);

    CudaResult DestroyExecutableGraph(nint executable);

    /// <summary>The name of a result, such as CUDA_ERROR_OUT_OF_MEMORY.</summary>
    string NameOf(CudaResult result);

    /// <summary>The library of matrix products that goes with this driver, or null where there is none.</summary>
    ICublas? FindCublas();
}

/// <summary>How a kernel is launched.</summary>
/// <param name="Grid">Blocks along x, y and z.</param>
/// <param name="Block">Threads of a block along x, y and z.</param>
/// <param name="SharedBytes">Bytes of dynamic shared memory.</param>
internal readonly record struct LaunchShape(Extent Grid, Extent Block, int SharedBytes = 0)
{
    /// <inheritdoc/>
    public override string ToString() => $"grid {Grid}, block {Block}"
        + (SharedBytes > 0 ? $", {SharedBytes:N0} bytes shared" : "");
}

/// <summary>A size along x, y and z.</summary>
internal readonly record struct Extent(int X, int Y = 1, int Z = 1)
{
    /// <summary>A size along x alone.</summary>
    public static implicit operator Extent(int x) => new(x);

    /// <inheritdoc/>
    public override string ToString() => (Y, Z) == (1, 1) ? $"{X}" : Z == 1 ? $"{X}x{Y}" : $"{X}x{Y}x{Z}";
}
