namespace PeftNative.Cuda.Driver;

/// <summary>
/// Tells graphs when memory goes away that was there when they were recorded: they may hold its address. Memory of a
/// later time does not matter to them.
/// </summary>
internal sealed class MemoryWatch
{
    private readonly Dictionary<CudaGraph, long> graphs = [];
    private long newest;

    /// <summary>The number of a new block.</summary>
    public long Add() => ++newest;

    /// <summary>A block is given back.</summary>
    public void Remove(long block)
    {
        foreach (var (graph, last) in graphs)
            if (block <= last) graph.IsValid = false;
    }

    /// <summary>Watches over all there is now for a graph.</summary>
    public void Watch(CudaGraph graph) => graphs.Add(graph, newest);

    /// <summary>The graph is gone.</summary>
    public void Forget(CudaGraph graph) => graphs.Remove(graph);
}
