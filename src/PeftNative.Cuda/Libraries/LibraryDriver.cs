using System.Runtime.InteropServices;
using System.Text;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Products;

namespace PeftNative.Cuda.Libraries;

/// <summary>
/// A driver library loaded by name: libcuda or the emulator. Function pointers of one library each, not imports of the
/// assembly, because an import is bound once and two libraries with the same entry points must live side by side.
/// </summary>
internal sealed unsafe class LibraryDriver : ICudaDriver
{
    private const int LongestName = 256;
    private const int NonBlockingStream = 1, EventWithoutTiming = 2, ThreadLocalCapture = 1;

    private readonly nint library;
    private readonly delegate* unmanaged<uint, CudaResult> init;
    private readonly delegate* unmanaged<int*, CudaResult> driverGetVersion, deviceGetCount;
    private readonly delegate* unmanaged<int*, int, CudaResult> deviceGet;
    private readonly delegate* unmanaged<byte*, int, int, CudaResult> deviceGetName;
    private readonly delegate* unmanaged<int*, DeviceAttribute, int, CudaResult> deviceGetAttribute;
    private readonly delegate* unmanaged<nint*, int, CudaResult> primaryContextRetain;
    private readonly delegate* unmanaged<int, CudaResult> primaryContextRelease;
    private readonly delegate* unmanaged<nuint*, nuint*, CudaResult> memoryGetInfo;
    private readonly delegate* unmanaged<nint*, nuint, CudaResult> memoryAllocate;
    private readonly delegate* unmanaged<nint*, nuint, uint, CudaResult> hostAllocate;
    private readonly delegate* unmanaged<nint, void*, nuint, nint, CudaResult> copyToDevice;
    private readonly delegate* unmanaged<void*, nint, nuint, nint, CudaResult> copyToHost;
    private readonly delegate* unmanaged<nint, nint, nuint, nint, CudaResult> copyOnDevice;
    private readonly delegate* unmanaged<nint*, uint, CudaResult> streamCreate, eventCreate;
    private readonly delegate* unmanaged<nint, nint, uint, CudaResult> streamWaitEvent;
    private readonly delegate* unmanaged<nint, nint, CudaResult> eventRecord, graphLaunch;
    private readonly delegate* unmanaged<float*, nint, nint, CudaResult> eventElapsedTime;
    private readonly delegate* unmanaged<nint*, void*, CudaResult> moduleLoadData;
    private readonly delegate* unmanaged<nint*, nint, byte*, CudaResult> moduleGetFunction;
    private readonly delegate* unmanaged<nint, FunctionAttribute, int, CudaResult> functionSetAttribute;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**,
        CudaResult> launchKernel;
    private readonly delegate* unmanaged<nint, int, CudaResult> streamBeginCapture;
    private readonly delegate* unmanaged<nint, nint*, CudaResult> streamEndCapture;
    private readonly delegate* unmanaged<nint, int*, CudaResult> streamIsCapturing;
    private readonly delegate* unmanaged<nint*, nint, ulong, CudaResult> graphInstantiate;
    private readonly delegate* unmanaged<nint, CudaResult> contextSetCurrent, memoryFree, hostFree, streamDestroy,
        streamSynchronize,
        eventDestroy, eventSynchronize, moduleUnload, graphDestroy, graphExecutableDestroy;
    private readonly delegate* unmanaged<CudaResult, byte**, CudaResult> getErrorName;

    /// <summary>Binds a loaded library.</summary>
    /// <exception cref="EntryPointNotFoundException">The library is not a CUDA driver, or too old.</exception>
    public LibraryDriver(nint library, string source, bool isEmulated)
    {
        (this.library, Source, IsEmulated) = (library, source, isEmulated);
        init = (delegate* unmanaged<uint, CudaResult>)Find("cuInit");
        driverGetVersion = (delegate* unmanaged<int*, CudaResult>)Find("cuDriverGetVersion");
        deviceGetCount = (delegate* unmanaged<int*, CudaResult>)Find("cuDeviceGetCount");
        deviceGet = (delegate* unmanaged<int*, int, CudaResult>)Find("cuDeviceGet");
        deviceGetName = (delegate* unmanaged<byte*, int, int, CudaResult>)Find("cuDeviceGetName");
        deviceGetAttribute = (delegate* unmanaged<int*, DeviceAttribute, int, CudaResult>)Find("cuDeviceGetAttribute");
        primaryContextRetain = (delegate* unmanaged<nint*, int, CudaResult>)Find("cuDevicePrimaryCtxRetain");
        primaryContextRelease = (delegate* unmanaged<int, CudaResult>)Find("cuDevicePrimaryCtxRelease_v2");
        memoryGetInfo = (delegate* unmanaged<nuint*, nuint*, CudaResult>)Find("cuMemGetInfo_v2");
        memoryAllocate = (delegate* unmanaged<nint*, nuint, CudaResult>)Find("cuMemAlloc_v2");
        hostAllocate = (delegate* unmanaged<nint*, nuint, uint, CudaResult>)Find("cuMemHostAlloc");
        copyToDevice = (delegate* unmanaged<nint, void*, nuint, nint, CudaResult>)Find("cuMemcpyHtoDAsync_v2");
        copyToHost = (delegate* unmanaged<void*, nint, nuint, nint, CudaResult>)Find("cuMemcpyDtoHAsync_v2");
        copyOnDevice = (delegate* unmanaged<nint, nint, nuint, nint, CudaResult>)Find("cuMemcpyDtoDAsync_v2");
        streamCreate = (delegate* unmanaged<nint*, uint, CudaResult>)Find("cuStreamCreate");
        eventCreate = (delegate* unmanaged<nint*, uint, CudaResult>)Find("cuEventCreate");
        streamWaitEvent = (delegate* unmanaged<nint, nint, uint, CudaResult>)Find("cuStreamWaitEvent");
        eventRecord = (delegate* unmanaged<nint, nint, CudaResult>)Find("cuEventRecord");
        graphLaunch = (delegate* unmanaged<nint, nint, CudaResult>)Find("cuGraphLaunch");
        eventElapsedTime = (delegate* unmanaged<float*, nint, nint, CudaResult>)Find("cuEventElapsedTime");
        moduleLoadData = (delegate* unmanaged<nint*, void*, CudaResult>)Find("cuModuleLoadData");
        moduleGetFunction = (delegate* unmanaged<nint*, nint, byte*, CudaResult>)Find("cuModuleGetFunction");
        functionSetAttribute = (delegate* unmanaged<nint, FunctionAttribute, int,
            CudaResult>)Find("cuFuncSetAttribute");
        launchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**,
            CudaResult>)
            Find("cuLaunchKernel");
        streamBeginCapture = (delegate* unmanaged<nint, int, CudaResult>)Find("cuStreamBeginCapture_v2");
        streamEndCapture = (delegate* unmanaged<nint, nint*, CudaResult>)Find("cuStreamEndCapture");
        streamIsCapturing = (delegate* unmanaged<nint, int*, CudaResult>)Find("cuStreamIsCapturing");
        graphInstantiate = (delegate* unmanaged<nint*, nint, ulong, CudaResult>)Find("cuGraphInstantiateWithFlags");
        contextSetCurrent = HandleCall("cuCtxSetCurrent");
        memoryFree = HandleCall("cuMemFree_v2");
        hostFree = HandleCall("cuMemFreeHost");
        streamDestroy = HandleCall("cuStreamDestroy_v2");
        streamSynchronize = HandleCall("cuStreamSynchronize");
        eventDestroy = HandleCall("cuEventDestroy_v2");
        eventSynchronize = HandleCall("cuEventSynchronize");
        moduleUnload = HandleCall("cuModuleUnload");
        graphDestroy = HandleCall("cuGraphDestroy");
        graphExecutableDestroy = HandleCall("cuGraphExecDestroy");
        getErrorName = (delegate* unmanaged<CudaResult, byte**, CudaResult>)Find("cuGetErrorName");
    }

    public string Source { get; }

    public bool IsEmulated { get; }

    public CudaResult Init() => init(0);

    public CudaResult GetVersion(out int version)
    {
        fixed (int* p = &version) return driverGetVersion(p);
    }

    public CudaResult GetDeviceCount(out int count)
    {
        fixed (int* p = &count) return deviceGetCount(p);
    }

    public CudaResult GetDevice(int ordinal, out int device)
    {
        fixed (int* p = &device) return deviceGet(p, ordinal);
    }

    public CudaResult GetDeviceName(int device, out string name)
    {
        var buffer = stackalloc byte[LongestName];
        var result = deviceGetName(buffer, LongestName, device);
        name = result == CudaResult.Success ? Marshal.PtrToStringUTF8((nint)buffer) ?? "" : "";
        return result;
    }

    public CudaResult GetDeviceAttribute(DeviceAttribute attribute, int device, out int value)
    {
        fixed (int* p = &value) return deviceGetAttribute(p, attribute, device);
    }

    public CudaResult RetainPrimaryContext(int device, out nint context)
    {
        fixed (nint* p = &context) return primaryContextRetain(p, device);
    }

    public CudaResult ReleasePrimaryContext(int device) => primaryContextRelease(device);

    public CudaResult SetCurrentContext(nint context) => contextSetCurrent(context);

    public CudaResult GetMemoryInfo(out nuint free, out nuint total)
    {
        fixed (nuint* f = &free, t = &total) return memoryGetInfo(f, t);
    }

    public CudaResult Allocate(nuint bytes, out nint pointer)
    {
        fixed (nint* p = &pointer) return memoryAllocate(p, bytes);
    }

    public CudaResult Free(nint pointer) => memoryFree(pointer);

    public CudaResult AllocateHost(nuint bytes, out nint pointer)
    {
        fixed (nint* p = &pointer) return hostAllocate(p, bytes, 0);
    }

    public CudaResult FreeHost(nint pointer) => hostFree(pointer);

    public CudaResult CopyToDevice(nint target, void* source, nuint bytes, nint stream) =>
        copyToDevice(target, source, bytes, stream);

    public CudaResult CopyToHost(void* target, nint source, nuint bytes, nint stream) =>
        copyToHost(target, source, bytes, stream);

    public CudaResult CopyOnDevice(nint target, nint source, nuint bytes, nint stream) =>
        copyOnDevice(target, source, bytes, stream);

    public CudaResult CreateStream(out nint stream)
    {
        fixed (nint* p = &stream) return streamCreate(p, NonBlockingStream);
    }

    public CudaResult DestroyStream(nint stream) => streamDestroy(stream);

    public CudaResult SynchronizeStream(nint stream) => streamSynchronize(stream);

    public CudaResult WaitForEvent(nint stream, nint @event) => streamWaitEvent(stream, @event, 0);

    public CudaResult CreateEvent(bool timing, out nint @event)
    {
        fixed (nint* p = &@event) return eventCreate(p, timing ? 0u : EventWithoutTiming);
    }

    public CudaResult DestroyEvent(nint @event) => eventDestroy(@event);

    public CudaResult RecordEvent(nint @event, nint stream) => eventRecord(@event, stream);

    public CudaResult SynchronizeEvent(nint @event) => eventSynchronize(@event);

    public CudaResult GetElapsedTime(nint start, nint end, out float milliseconds)
    {
        fixed (float* p = &milliseconds) return eventElapsedTime(p, start, end);
    }

    public CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module)
    {
        fixed (nint* p = &module)
        fixed (byte* first = image)
            return moduleLoadData(p, first);
    }

    public CudaResult UnloadModule(nint module) => moduleUnload(module);

    public CudaResult GetFunction(nint module, string name, out nint function)
    {
        Span<byte> utf8 = stackalloc byte[LongestName];
        utf8[Encoding.UTF8.GetBytes(name, utf8[..^1])] = 0;
        fixed (nint* p = &function)
        fixed (byte* text = utf8)
            return moduleGetFunction(p, module, text);
    }

    public CudaResult SetFunctionAttribute(nint function, FunctionAttribute attribute, int value) =>
        functionSetAttribute(function, attribute, value);

    public CudaResult Launch(nint function, in LaunchShape shape, nint stream, ReadOnlySpan<nint> arguments)
    {
        var (grid, block) = (shape.Grid, shape.Block);
        fixed (nint* pointers = arguments)
            return launchKernel(function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)block.X, (uint)block.Y,
                (uint)block.Z,
                (uint)shape.SharedBytes, stream, (void**)pointers, null);
    }

    public CudaResult BeginCapture(nint stream) => streamBeginCapture(stream, ThreadLocalCapture);

    public CudaResult EndCapture(nint stream, out nint graph)
    {
        fixed (nint* p = &graph) return streamEndCapture(stream, p);
    }

    public CudaResult GetCaptureStatus(nint stream, out int status)
    {
        fixed (int* p = &status) return streamIsCapturing(stream, p);
    }

    public CudaResult InstantiateGraph(nint graph, out nint executable)
    {
        fixed (nint* p = &executable) return graphInstantiate(p, graph, 0);
    }

    public CudaResult LaunchGraph(nint executable, nint stream) => graphLaunch(executable, stream);

    public CudaResult DestroyGraph(nint graph) => graphDestroy(graph);

    public CudaResult DestroyExecutableGraph(nint executable) => graphExecutableDestroy(executable);

    public string NameOf(CudaResult result)
    {
        byte* name = null;
        return getErrorName(result, &name) == CudaResult.Success && name != null
            ? Marshal.PtrToStringUTF8((nint)name)!
            : $"CUDA error {(int)result}";
    }

    /// <summary>Address of any other function of the library, or 0.</summary>
    public nint FindExport(string name) => NativeLibrary.TryGetExport(library, name, out var address) ? address : 0;

    /// <inheritdoc/>
    /// <remarks>The emulator has both in the same file.</remarks>
    public ICublas? FindCublas()
    {
        var options = CublasLtOptions.FromEnvironment();
        var first = options.Mode == CublasLtMode.Off ? null : IsEmulated
            ? CublasLt.Bind(FindExport, options) : CublasLt.Find(options);
        return first ?? (IsEmulated ? Cublas.Bind(FindExport) : Cublas.Find());
    }

    private nint Find(string name) => NativeLibrary.GetExport(library, name);

    private delegate* unmanaged<nint, CudaResult> HandleCall(string name) =>
        (delegate* unmanaged<nint, CudaResult>)Find(name);
}
