namespace PeftNative.Ops;

/// <summary>
/// What a backend may offer beside <see cref="IBackend"/>: many small operations as one piece of work of the device, so that
/// starting each of them costs nothing. Used by one thread at a time, like the backend.
/// </summary>
public interface IOperationGraphs
{
    /// <summary>A place for one sequence of operations. Dispose it before the backend.</summary>
    IOperationGraph CreateGraph();
}

/// <summary>A sequence of operations that is run again and again, with other values. Used by one thread at a time.</summary>
public interface IOperationGraph : IDisposable
{
    /// <summary>
    /// Runs operations, with the same results as calling them. They may upload, but not read anything back; whatever they take their
    /// values from (learning rate, dropout, uploads) may be different each time. They may be called twice, so they begin by giving
    /// back memory of their last call.
    /// </summary>
    void Run(Action operations);
}
