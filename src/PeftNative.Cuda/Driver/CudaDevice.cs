namespace PeftNative.Cuda.Driver;

/// <summary>
/// One device of a driver: its primary context and the one stream everything of a backend runs on, in order. Every
/// failing call of the driver becomes an exception here. Used by one thread at a time.
/// </summary>
internal sealed unsafe class CudaDevice : IDisposable
{
    /// <summary>The environment variable that makes every operation wait for its kernels.</summary>
    public const string SynchronousVariable = "PEFTNATIVE_CUDA_SYNCHRONOUS";

    [ThreadStatic]
    private static CudaDevice? current;

    private readonly int device;
    private readonly nint context;
    private string lastLaunch = "";
    private bool disposed;

    /// <summary>Opens a device.</summary>
    /// <exception cref="UsageException">There is no such device.</exception>
    public CudaDevice(ICudaDriver driver, int ordinal)
    {
        Driver = driver;
        Check(driver.GetDeviceCount(out var count), "cuDeviceGetCount");
        if (ordinal >= count)
            throw new UsageException($"There is no CUDA device {ordinal}.", "--device",
                $"This machine has {count}, counted from 0.");
        Check(driver.GetDevice(ordinal, out device), "cuDeviceGet");
        Check(driver.GetDeviceName(device, out var name), "cuDeviceGetName");
        Name = name;
        Capability = 10 * Attribute(DeviceAttribute.ComputeCapabilityMajor)
            + Attribute(DeviceAttribute.ComputeCapabilityMinor);
        Multiprocessors = Attribute(DeviceAttribute.MultiprocessorCount);
        MaxSharedBytes = Attribute(DeviceAttribute.MaxSharedMemoryPerBlockOptIn);
        Check(driver.RetainPrimaryContext(device, out context), "cuDevicePrimaryCtxRetain");
        try
        {
            MakeCurrent();
            Check(driver.GetMemoryInfo(out _, out var total), "cuMemGetInfo");
            TotalMemory = (long)total;
            Check(driver.CreateStream(out var stream), "cuStreamCreate");
            Stream = stream;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public ICudaDriver Driver { get; }

    /// <summary>The name of the product.</summary>
    public string Name { get; }

    /// <summary>Compute capability times ten: 80, 86, 89, 90.</summary>
    public int Capability { get; }

    /// <summary>Number of multiprocessors.</summary>
    public int Multiprocessors { get; }

    /// <summary>Memory of the device, in bytes.</summary>
    public long TotalMemory { get; }

    /// <summary>The most dynamic shared memory of a block, in bytes.</summary>
    public int MaxSharedBytes { get; }

    /// <summary>The stream of all work.</summary>
    public nint Stream { get; }

    /// <summary>Knows which memory graphs rely on.</summary>
    public MemoryWatch Memory { get; } = new();

    /// <summary>Whether work on the stream is taken down instead of done.</summary>
    public bool IsRecording { get; private set; }

    /// <summary>Makes driver calls of this thread go to this device.</summary>
    public void MakeCurrent()
    {
        if (current == this) return;
        Check(Driver.SetCurrentContext(context), "cuCtxSetCurrent");
        current = this;
    }

    /// <summary>Waits until everything that was started is done.</summary>
    public void Synchronize()
    {
        RefuseRecording("waiting");
        MakeCurrent();
        Check(Driver.SynchronizeStream(Stream), "cuStreamSynchronize",
            lastLaunch.Length > 0 ? $"the last kernel started was {lastLaunch}" : null);
    }

    /// <summary>Starts a kernel.</summary>
    /// <exception cref="CudaException">The driver refused; the message names kernel, grid and operands.</exception>
    public void Launch(Kernel kernel, in LaunchShape shape, in KernelArguments arguments)
    {
        MakeCurrent();
        if (shape.SharedBytes > kernel.LargestSharedBytes) kernel.AllowShared(this, shape.SharedBytes);
        var result = arguments.Launch(Driver, kernel.Handle, shape, Stream);
        lastLaunch = kernel.Name;
        if (result != CudaResult.Success)
            throw Failure(result, "cuLaunchKernel", $"{kernel.Name}, {shape}, operands {arguments.Describe()}");
    }

    /// <summary>
    /// Takes down what operations start; returns the executable graph, or null where they do what no recording can
    /// hold.
    /// </summary>
    /// <exception cref="CudaException">The driver refused; the stream records no longer.</exception>
    public nint? Record(Action operations)
    {
        MakeCurrent();
        Check(Driver.BeginCapture(Stream), "cuStreamBeginCapture");
        IsRecording = true;
        try
        {
            operations();
        }
        catch (Exception e)
        {
            IsRecording = false;
            // Whatever it has recorded so far is of no use, and whether the driver minds adds nothing to the error.
            if (Driver.EndCapture(Stream, out var part) == CudaResult.Success) _ = Driver.DestroyGraph(part);
            if (e is NotRecordableException) return null;
            throw;
        }
        IsRecording = false;
        Check(Driver.EndCapture(Stream, out var graph), "cuStreamEndCapture");
        var result = Driver.InstantiateGraph(graph, out var executable);
        _ = Driver.DestroyGraph(graph);
        Check(result, "cuGraphInstantiate");
        return executable;
    }

    /// <summary>Starts a graph.</summary>
    public void Launch(nint executable)
    {
        MakeCurrent();
        lastLaunch = "one of a recorded step";
        Check(Driver.LaunchGraph(executable, Stream), "cuGraphLaunch");
    }

    /// <summary>To be called before everything that cannot be recorded.</summary>
    public void RefuseRecording(string what)
    {
        if (IsRecording) throw new NotRecordableException(what);
    }

    /// <summary>Turns a refusal into an exception.</summary>
    public void Check(CudaResult result, string call, string? where = null)
    {
        if (result != CudaResult.Success) throw Failure(result, call, where);
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        // What a broken device answers here adds nothing to the error that is already on its way.
        if (current == this || Driver.SetCurrentContext(context) == CudaResult.Success)
            if (Stream != 0) _ = Driver.DestroyStream(Stream);
        _ = Driver.ReleasePrimaryContext(device);
        current = null;
    }

    private PeftNativeException Failure(CudaResult result, string call, string? where) => result switch
    {
        CudaResult.OutOfMemory =>
            new ResourceException($"The device has not enough memory: {call} answered {Driver.NameOf(result)}.", where,
            "Use a smaller batch, shorter sequences, a smaller model or a quantised base."),
        CudaResult.NoBinaryForDevice or CudaResult.UnsupportedPtxVersion => new CudaException(
            $"The kernels do not fit this device ({Name}) or driver: {call} answered {Driver.NameOf(result)}.", where,
            "Update the driver."),
        CudaResult.IllegalAddress or CudaResult.LaunchFailed => new CudaException(
            $"The device stopped: {call} answered {Driver.NameOf(result)}.", where,
            $"Set {SynchronousVariable}=1 to see at which kernel, and resume from the last checkpoint."),
        _ => new CudaException($"The driver refused: {call} answered {Driver.NameOf(result)}.", where,
            "Resume from the last checkpoint; update the driver if it comes back."),
    };

    private int Attribute(DeviceAttribute attribute)
    {
        Check(Driver.GetDeviceAttribute(attribute, device, out var value), "cuDeviceGetAttribute",
            attribute.ToString());
        return value;
    }
}
