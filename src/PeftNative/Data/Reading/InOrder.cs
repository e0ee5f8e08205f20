namespace PeftNative.Data.Reading;

/// <summary>Work on several threads whose results come in the order of what they were made from.</summary>
internal static class InOrder
{
    /// <summary>
    /// The results, one after the other; a few pieces of work are ahead of the one that is taken. An error comes where
    /// its result would.
    /// </summary>
    public static IEnumerable<TResult> Select<TItem, TResult>(
        IEnumerable<TItem> items, Func<TItem, TResult> work, CancellationToken cancellation = default)
    {
        var ahead = 2 * Environment.ProcessorCount;
        var running = new Queue<Task<TResult>>();
        foreach (var item in items)
        {
            cancellation.ThrowIfCancellationRequested();
            running.Enqueue(Task.Run(() => work(item), CancellationToken.None));
            if (running.Count >= ahead) yield return running.Dequeue().GetAwaiter().GetResult();
        }
        while (running.TryDequeue(out var next)) yield return next.GetAwaiter().GetResult();
    }
}
