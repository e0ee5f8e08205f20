using PeftNative.Ops;

namespace PeftNative.Cuda.Driver;

/// <summary>A recording of the stream as an executable CUDA graph.</summary>
internal sealed class CudaGraph : IOperationGraph
{
    private readonly CudaDevice device;
    private readonly Action<GraphValues> upload;
    private nint executable;

    /// <summary>Takes an executable graph over.</summary>
    public CudaGraph(CudaDevice device, nint executable, Action<GraphValues> upload)
    {
        (this.device, this.executable, this.upload) = (device, executable, upload);
        device.Memory.Watch(this);
        IsValid = true;
    }

    /// <inheritdoc/>
    public bool IsValid { get; internal set; }

    /// <inheritdoc/>
    public void Run(in GraphValues values)
    {
        if (!IsValid) throw new InvalidOperationException("the memory that a graph was recorded with was given back");
        upload(values);
        device.Launch(executable);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (executable == 0) return;
        device.Memory.Forget(this);
        _ = device.Driver.DestroyExecutableGraph(executable); // one that still runs is destroyed when it is done
        (executable, IsValid) = (0, false);
    }
}
