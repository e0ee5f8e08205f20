using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using PeftNative.Cuda.Driver;
using Api = ManagedCuda.DriverAPINativeMethods;

namespace PeftNative.Cuda.ManagedCuda;

/// <summary>The driver through the declarations of ManagedCuda: each member is one call.</summary>
internal sealed unsafe class ManagedCudaDriver : ICudaDriver
{
    private const int LongestName = 256;

    public string Source => "ManagedCuda";

    public bool IsEmulated => false;

    public CudaResult Init() => Result(Api.cuInit(default));

    public CudaResult GetVersion(out int version)
    {
        version = 0;
        return Result(Api.cuDriverGetVersion(ref version));
    }

    public CudaResult GetDeviceCount(out int count)
    {
        count = 0;
        return Result(Api.DeviceManagement.cuDeviceGetCount(ref count));
    }

    public CudaResult GetDevice(int ordinal, out int device)
    {
        CUdevice handle = default;
        var result = Api.DeviceManagement.cuDeviceGet(ref handle, ordinal);
        device = handle.Pointer;
        return Result(result);
    }

    public CudaResult GetDeviceName(int device, out string name)
    {
        var text = new byte[LongestName];
        var result = Api.DeviceManagement.cuDeviceGetName(text, text.Length, Device(device));
        name = System.Text.Encoding.UTF8.GetString(text).TrimEnd('\0');
        return Result(result);
    }

    public CudaResult GetDeviceAttribute(DeviceAttribute attribute, int device, out int value)
    {
        value = 0;
        return Result(Api.DeviceManagement.cuDeviceGetAttribute(ref value, (CUDeviceAttribute)attribute,
            Device(device)));
    }

    public CudaResult RetainPrimaryContext(int device, out nint context)
    {
        CUcontext handle = default;
        var result = Api.ContextManagement.cuDevicePrimaryCtxRetain(ref handle, Device(device));
        context = handle.Pointer;
        return Result(result);
    }

    public CudaResult ReleasePrimaryContext(int device) =>
        Result(Api.ContextManagement.cuDevicePrimaryCtxRelease(Device(device)));

    public CudaResult SetCurrentContext(nint context) =>
        Result(Api.ContextManagement.cuCtxSetCurrent(new CUcontext { Pointer = context }));

    public CudaResult GetMemoryInfo(out nuint free, out nuint total)
    {
        SizeT freeBytes = 0, totalBytes = 0;
        var result = Api.MemoryManagement.cuMemGetInfo_v2(ref freeBytes, ref totalBytes);
        (free, total) = ((nuint)(ulong)freeBytes, (nuint)(ulong)totalBytes);
        return Result(result);
    }

    public CudaResult Allocate(nuint bytes, out nint pointer)
    {
        CUdeviceptr address = default;
        var result = Api.MemoryManagement.cuMemAlloc_v2(ref address, (ulong)bytes);
        pointer = (nint)(long)address.Pointer;
        return Result(result);
    }

    public CudaResult Free(nint pointer) => Result(Api.MemoryManagement.cuMemFree_v2(Pointer(pointer)));

    public CudaResult AllocateHost(nuint bytes, out nint pointer)
    {
        IntPtr address = 0;
        var result = Api.MemoryManagement.cuMemHostAlloc(ref address, (ulong)bytes, default);
        pointer = address;
        return Result(result);
    }

    public CudaResult FreeHost(nint pointer) => Result(Api.MemoryManagement.cuMemFreeHost(pointer));

    public CudaResult CopyToDevice(nint target, void* source, nuint bytes, nint stream) =>
        Result(Api.AsynchronousMemcpy_v2.cuMemcpyHtoDAsync_v2(Pointer(target), (IntPtr)source, (ulong)bytes,
            Stream(stream)));

    public CudaResult CopyToHost(void* target, nint source, nuint bytes, nint stream) =>
        Result(Api.AsynchronousMemcpy_v2.cuMemcpyDtoHAsync_v2((IntPtr)target, Pointer(source), (ulong)bytes,
            Stream(stream)));

    public CudaResult CopyOnDevice(nint target, nint source, nuint bytes, nint stream) =>
        Result(Api.AsynchronousMemcpy_v2.cuMemcpyDtoDAsync_v2(Pointer(target), Pointer(source), (ulong)bytes,
            Stream(stream)));

    public CudaResult CreateStream(out nint stream)
    {
        const int nonBlocking = 1;
        CUstream handle = default;
        var result = Api.Streams.cuStreamCreate(ref handle, (CUStreamFlags)nonBlocking);
        stream = handle.Pointer;
        return Result(result);
    }

    public CudaResult DestroyStream(nint stream) => Result(Api.Streams.cuStreamDestroy_v2(Stream(stream)));

    public CudaResult SynchronizeStream(nint stream) => Result(Api.Streams.cuStreamSynchronize(Stream(stream)));

    public CudaResult WaitForEvent(nint stream, nint @event) =>
        Result(Api.Streams.cuStreamWaitEvent(Stream(stream), Event(@event), 0));

    public CudaResult CreateEvent(bool timing, out nint @event)
    {
        const int withoutTiming = 2;
        CUevent handle = default;
        var result = Api.Events.cuEventCreate(ref handle, (CUEventFlags)(timing ? 0 : withoutTiming));
        @event = handle.Pointer;
        return Result(result);
    }

    public CudaResult DestroyEvent(nint @event) => Result(Api.Events.cuEventDestroy_v2(Event(@event)));

    public CudaResult RecordEvent(nint @event, nint stream) =>
        Result(Api.Events.cuEventRecord(Event(@event), Stream(stream)));

    public CudaResult SynchronizeEvent(nint @event) => Result(Api.Events.cuEventSynchronize(Event(@event)));

    public CudaResult GetElapsedTime(nint start, nint end, out float milliseconds)
    {
        milliseconds = 0;
        return Result(Api.Events.cuEventElapsedTime(ref milliseconds, Event(start), Event(end)));
    }

    public CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module)
    {
        CUmodule handle = default;
        var result = Api.ModuleManagement.cuModuleLoadData(ref handle, image.ToArray());
        module = handle.Pointer;
        return Result(result);
    }

    public CudaResult UnloadModule(nint module) =>
        Result(Api.ModuleManagement.cuModuleUnload(new CUmodule { Pointer = module }));

    public CudaResult GetFunction(nint module, string name, out nint function)
    {
        CUfunction handle = default;
        var result = Api.ModuleManagement.cuModuleGetFunction(ref handle, new CUmodule { Pointer = module }, name);
        function = handle.Pointer;
        return Result(result);
    }

    public CudaResult SetFunctionAttribute(nint function, FunctionAttribute attribute, int value) =>
        Result(Api.FunctionManagement.cuFuncSetAttribute(Function(function), (CUFunctionAttribute)attribute, value));

    public CudaResult Launch(nint function, in LaunchShape shape, nint stream, ReadOnlySpan<nint> arguments)
    {
        var (grid, block) = (shape.Grid, shape.Block);
        return Result(Api.Launch.cuLaunchKernel(Function(function), (uint)grid.X, (uint)grid.Y, (uint)grid.Z,
            (uint)block.X, (uint)block.Y,
            (uint)block.Z, (uint)shape.SharedBytes, Stream(stream), arguments.ToArray(), null));
    }

    public CudaResult BeginCapture(nint stream)
    {
        const int threadLocal = 1;
        return Result(Api.Streams.cuStreamBeginCapture(Stream(stream), (CUstreamCaptureMode)threadLocal));
    }

    public CudaResult EndCapture(nint stream, out nint graph)
    {
        CUgraph handle = default;
        var result = Api.Streams.cuStreamEndCapture(Stream(stream), ref handle);
        graph = handle.Pointer;
        return Result(result);
    }

    public CudaResult GetCaptureStatus(nint stream, out int status)
    {
        CUstreamCaptureStatus found = default;
        var result = Api.Streams.cuStreamIsCapturing(Stream(stream), ref found);
        status = (int)found;
        return Result(result);
    }

    public CudaResult InstantiateGraph(nint graph, out nint executable)
    {
        CUgraphExec handle = default;
        var result = Api.GraphManagment.cuGraphInstantiate(ref handle, Graph(graph), default);
        executable = handle.Pointer;
        return Result(result);
    }

    public CudaResult LaunchGraph(nint executable, nint stream) =>
        Result(Api.GraphManagment.cuGraphLaunch(Executable(executable), Stream(stream)));

    public CudaResult DestroyGraph(nint graph) => Result(Api.GraphManagment.cuGraphDestroy(Graph(graph)));

    public CudaResult DestroyExecutableGraph(nint executable) =>
        Result(Api.GraphManagment.cuGraphExecDestroy(Executable(executable)));

    public string NameOf(CudaResult result)
    {
        IntPtr name = 0;
        return Api.ErrorHandling.cuGetErrorName((CUResult)result, ref name) == CUResult.Success && name != 0
            ? Marshal.PtrToStringUTF8(name)!
            : $"CUDA error {(int)result}";
    }

    public ICublas? FindCublas() => ManagedCublas.Find();

    private static CudaResult Result(CUResult result) => (CudaResult)result;

    private static CUdevice Device(int device) => new() { Pointer = device };

    private static CUdeviceptr Pointer(nint address) => new() { Pointer = (long)address };

    private static CUstream Stream(nint stream) => new() { Pointer = stream };

    private static CUevent Event(nint @event) => new() { Pointer = @event };

    private static CUfunction Function(nint function) => new() { Pointer = function };

    private static CUgraph Graph(nint graph) => new() { Pointer = graph };

    private static CUgraphExec Executable(nint executable) => new() { Pointer = executable };
}
