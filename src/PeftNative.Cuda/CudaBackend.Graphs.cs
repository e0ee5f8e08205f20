using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend : IOperationGraphs
{
    /// <inheritdoc/>
    public IOperationGraph CreateGraph() => new CudaGraph(device, staging);
}
