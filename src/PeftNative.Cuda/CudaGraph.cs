using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

/// <summary>
/// Operations as a CUDA graph. The stream records what they would start, the recording replaces the values in the graph of the last
/// time, and the whole is started by one call. What cannot be recorded is run as it is: the first time, when memory is taken and kernels
/// are loaded; operations that take more memory than before; and those that wait.
/// </summary>
internal sealed class CudaGraph(CudaDevice device, Staging staging) : IOperationGraph
{
    private nint executable;
    private bool isWarm;

    public void Run(Action operations)
    {
        if (!isWarm || !TryRecord(operations, out var graph))
        {
            operations();
            isWarm = true;
            return;
        }
        try
        {
            Renew(graph);
        }
        finally
        {
            _ = device.Driver.DestroyGraph(graph);
        }
        device.Check(device.Driver.LaunchGraph(executable, device.Stream), "cuGraphLaunch");
    }

    public void Dispose()
    {
        if (executable != 0) _ = device.Driver.DestroyExecutableGraph(executable);
        executable = 0;
    }

    private bool TryRecord(Action operations, out nint graph)
    {
        graph = 0;
        staging.BeginRecording();
        device.Check(device.Driver.BeginCapture(device.Stream), "cuStreamBeginCapture");
        try
        {
            operations();
            return device.Driver.EndCapture(device.Stream, out graph) == CudaResult.Success;
        }
        catch (Exception e)
        {
            // Ends the recording, whatever it holds; the operations run as they are, or fail again with a clear error.
            if (device.Driver.EndCapture(device.Stream, out graph) == CudaResult.Success && graph != 0) _ = device.Driver.DestroyGraph(graph);
            if (e is not (CudaException or ResourceException)) throw;
            return false;
        }
        finally
        {
            staging.EndRecording();
        }
    }

    /// <summary>Puts the new values into the executable graph, or makes another where more than values changed.</summary>
    private void Renew(nint graph)
    {
        if (executable != 0 && device.Driver.UpdateGraph(executable, graph) == CudaResult.Success) return;
        Dispose();
        device.Check(device.Driver.InstantiateGraph(graph, out executable), "cuGraphInstantiate");
    }
}
