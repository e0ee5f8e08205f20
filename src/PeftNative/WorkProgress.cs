namespace PeftNative;

/// <summary>How far long work has come. Reported by the thread that does the work.</summary>
/// <param name="Stage">What is being done: loading, encoding, merging, writing, checking, evaluating, ...</param>
/// <param name="Done">How much of it is done.</param>
/// <param name="Total">How much there is; null where nobody knows.</param>
public readonly record struct WorkProgress(string Stage, long Done, long? Total);

/// <summary>Counts one stage of long work: tells whoever listens, and ends it when asked to.</summary>
internal sealed class Work(string stage, IProgress<WorkProgress>? progress, CancellationToken cancellation)
{
    private long done;

    /// <summary>How much there is; null where nobody knows.</summary>
    public long? Total { get; set; }

    /// <summary>Another stage of the same work.</summary>
    public Work Next(string name) => new(name, progress, cancellation);

    /// <summary>Some of it is done.</summary>
    /// <exception cref="OperationCanceledException">No more of it is wanted.</exception>
    public void Add(long amount)
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Report(new WorkProgress(stage, done += amount, Total));
    }
}
