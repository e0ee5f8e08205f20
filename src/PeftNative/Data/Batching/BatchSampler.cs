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

    private readonly IReadOnlyList<int>? _lengths;
    private readonly int _count, _batchSize;
    private readonly ulong _seed;
    private readonly SamplingOrder _order;
    private EpochOrder? _current;

    /// <summary>Takes the items by their lengths.</summary>
    /// <exception cref="UsageException">There are no items, or the batch size is not positive.</exception>
    public BatchSampler(
        IReadOnlyList<int> lengths, int batchSize, ulong seed, SamplingOrder order = SamplingOrder.Shuffled)
        : this(lengths.Count, batchSize, seed, order, lengths)
    {
    }

    /// <summary>Takes the items by their number.</summary>
    /// <param name="count">The number of items.</param>
    /// <param name="batchSize">Items of a batch.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="order">The order of drawing.</param>
    /// <param name="lengths">Their lengths; needed where the order goes by them.</param>
    /// <exception cref="UsageException">There are no items, or the batch size is not positive.</exception>
    public BatchSampler(int count, int batchSize, ulong seed, SamplingOrder order, IReadOnlyList<int>? lengths)
    {
        if (batchSize < 1) throw new UsageException($"batch_size must be at least 1, not {batchSize}.");
        if (count == 0) throw new UsageException("There is nothing to draw batches from.");
        (_count, _batchSize, _seed, _order, _lengths) = (count, batchSize, seed, order, lengths);
    }

    /// <summary>Number of batches in an epoch.</summary>
    public int BatchesPerEpoch => (int)(((long)_count + _batchSize - 1) / _batchSize);

    /// <summary>The epoch of a step, both from 0.</summary>
    public long EpochOf(long step) => step / BatchesPerEpoch;

    /// <summary>The items of a step's batch.</summary>
    public ReadOnlyMemory<int> Items(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        var epoch = EpochOf(step);
        // The last result, kept. Where another thread puts its own there, it is computed again, to the same order.
        var current = _current;
        if (current?.Epoch != epoch) _current = current = Arrange(epoch);
        var inEpoch = (int)(step % BatchesPerEpoch);
        return Batch(current.Items, current.Batches?[inEpoch] ?? inEpoch);
    }

    private EpochOrder Arrange(long epoch)
    {
        var items = Enumerable.Range(0, _count).ToArray();
        if (_order != SamplingOrder.Sequential)
            new RandomStream(_seed, RandomPurpose.ExampleOrder, (ulong)epoch).Shuffle(items);
        if (_order != SamplingOrder.GroupedByLength) return new EpochOrder(epoch, items, null);
        int[] sorted =
            [.. items.Chunk(BatchesPerChunk * _batchSize).SelectMany(chunk => chunk.OrderBy(i => _lengths![i]))];
        var batches = Enumerable.Range(0, BatchesPerEpoch).ToArray();
        new RandomStream(_seed, RandomPurpose.BatchOrder, (ulong)epoch).Shuffle(batches);
        return new EpochOrder(epoch, sorted, batches);
    }

    private ReadOnlyMemory<int> Batch(int[] items, int number)
    {
        var start = number * _batchSize;
        return items.AsMemory(start, Math.Min(_batchSize, items.Length - start));
    }

    /// <summary>The items of an epoch in order, and which batch of them comes when; null for one after the
    /// other.</summary>
    private sealed record EpochOrder(long Epoch, int[] Items, int[]? Batches);
}
