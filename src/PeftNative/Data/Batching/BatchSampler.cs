using PeftNative.Determinism;

namespace PeftNative.Data.Batching;

/// <summary>In which order items are drawn.</summary>
public enum SamplingOrder
{
    /// <summary>As they are, for evaluation.</summary>
    Sequential,

    /// <summary>A new random order every epoch.</summary>
    Shuffled,

    /// <summary>A new random order every epoch, in which items of similar length share a batch.</summary>
    GroupedByLength,
}

/// <summary>
/// Which items (examples, or rows of a <see cref="Packer"/>) make up which batch: a pure function of seed and step, so
/// that resuming needs no state. Every epoch takes every item once; its last batch may be smaller. Safe to use from
/// several threads.
/// </summary>
internal sealed class BatchSampler
{
    /// <summary>Batches that are sorted by length together when grouping.</summary>
    private const int BatchesPerChunk = 8;

    private readonly IReadOnlyList<int> _lengths;
    private readonly int _batchSize;
    private readonly ulong _seed;
    private readonly SamplingOrder _order;
    private EpochOrder? _current;

    /// <summary>Takes the items by their lengths.</summary>
    /// <exception cref="UsageException">There are no items, or the batch size is not positive.</exception>
    public BatchSampler(
        IReadOnlyList<int> lengths, int batchSize, ulong seed, SamplingOrder order = SamplingOrder.Shuffled)
    {
        if (batchSize < 1) throw new UsageException($"batch_size must be at least 1, not {batchSize}.");
        if (lengths.Count == 0) throw new UsageException("There is nothing to draw batches from.");
        (_lengths, _batchSize, _seed, _order) = (lengths, batchSize, seed, order);
    }

    /// <summary>Number of batches in an epoch.</summary>
    public int BatchesPerEpoch => (_lengths.Count + _batchSize - 1) / _batchSize;

    /// <summary>The epoch of a step, both from 0.</summary>
    public long EpochOf(long step) => step / BatchesPerEpoch;

    /// <summary>The items of a step's batch.</summary>
    public ReadOnlyMemory<int> Items(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        var epoch = EpochOf(step);
        // The last result, kept. Where another thread puts its own there, it is computed again, to the same order.
        var current = _current;
        if (current?.Epoch != epoch) _current = current = new EpochOrder(epoch, Arrange(epoch));
        return current.Batches[(int)(step % BatchesPerEpoch)];
    }

    private ReadOnlyMemory<int>[] Arrange(long epoch)
    {
        var items = Enumerable.Range(0, _lengths.Count).ToArray();
        if (_order != SamplingOrder.Sequential)
            new RandomStream(_seed, RandomPurpose.ExampleOrder, (ulong)epoch).Shuffle(items);
        if (_order != SamplingOrder.GroupedByLength) return Cut(items);
        var batches =
            Cut([.. items.Chunk(BatchesPerChunk * _batchSize).SelectMany(chunk => chunk.OrderBy(i => _lengths[i]))]);
        var order = Enumerable.Range(0, batches.Length).ToArray();
        new RandomStream(_seed, RandomPurpose.BatchOrder, (ulong)epoch).Shuffle(order);
        return [.. order.Select(i => batches[i])];
    }

    private ReadOnlyMemory<int>[] Cut(int[] items) =>
        [.. Enumerable.Range(0, BatchesPerEpoch).Select(b =>
            (ReadOnlyMemory<int>)items.AsMemory()[(b * _batchSize)..Math.Min(items.Length, (b + 1) * _batchSize)])];

    private sealed record EpochOrder(long Epoch, ReadOnlyMemory<int>[] Batches);
}
