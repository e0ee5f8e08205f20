namespace PeftNative.Ops;

/// <summary>
/// What a backend may offer beside <see cref="IBackend"/>: many operations as one piece of work of the device, which is
/// started by one call again and again. Used by one thread at a time, like the backend.
/// </summary>
public interface IOperationGraphs
{
    /// <summary>
    /// Takes down what operations would start, without running it. What they get as numbers (shapes, addresses, scales)
    /// is part of the recording, but for <see cref="GraphValues"/>. What lies in memory of the backend is read anew by
    /// every run.
    /// </summary>
    /// <returns>
    /// The recording, to be disposed before the backend; null when the operations cannot be recorded as they are now,
    /// because they take memory, upload, wait or read back. They have then been called in part.
    /// </returns>
    /// <exception cref="PeftNativeException">The device refused.</exception>
    IOperationGraph? Record(Action operations);
}

/// <summary>A recorded sequence of operations. Used by one thread at a time.</summary>
public interface IOperationGraph : IDisposable
{
    /// <summary>
    /// Whether all memory that was there at the time of recording still is. What may point to other memory by now must
    /// not be run.
    /// </summary>
    bool IsValid { get; }

    /// <summary>Runs the operations, with the same results as calling them.</summary>
    void Run(in GraphValues values);
}

/// <summary>The numbers of a recording that each run has anew.</summary>
/// <param name="StreamOffset">Is added to the <see cref="DropoutMask.Stream"/> of every mask.</param>
/// <param name="GradientScale">Takes the place of the factor that every loss has for its gradient.</param>
public readonly record struct GraphValues(ulong StreamOffset, double GradientScale);
