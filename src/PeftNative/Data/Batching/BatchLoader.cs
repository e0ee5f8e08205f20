using PeftNative.Data.Encoding;

namespace PeftNative.Data.Batching;

/// <summary>Gives the batch of any step. Immutable; safe to use from several threads.</summary>
public sealed class BatchLoader
{
    private readonly IReadOnlyList<Example> _examples;
    private readonly IReadOnlyList<int[]>? _rows;
    private readonly BatchSampler _sampler;

    /// <summary>Takes the examples and how they are drawn.</summary>
    /// <param name="examples">The examples.</param>
    /// <param name="batchSize">Examples per batch; with packing, rows per batch.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="order">The order of drawing.</param>
    /// <param name="packingBudget">
    /// The tokens of a row when packing (usually the maximum length); null: no packing.
    /// </param>
    /// <param name="rows">Examples that share a row already, by their indices; null for none.</param>
    public BatchLoader(
        IReadOnlyList<Example> examples, int batchSize, ulong seed, SamplingOrder order = SamplingOrder.Shuffled,
        int? packingBudget = null, IReadOnlyList<int[]>? rows = null)
    {
        _examples = examples;
        // Examples that are not held would be made for their lengths alone.
        var lengths = packingBudget is null && rows is null && order != SamplingOrder.GroupedByLength ? null
            : examples is ExampleStore store ? store.Lengths() : [.. examples.Select(e => e.Length)];
        _rows = rows ?? (packingBudget is { } budget ? Packer.Pack(lengths!, budget) : null);
        if (_rows is not null)
        {
            lengths = [.. _rows.Select(row => row.Sum(i => lengths![i]))];
        }
        _sampler = new BatchSampler(_rows?.Count ?? examples.Count, batchSize, seed, order, lengths);
    }

    /// <summary>Number of batches in an epoch.</summary>
    public int BatchesPerEpoch => _sampler.BatchesPerEpoch;

    /// <summary>The batch of a step, counted from 0 over all epochs.</summary>
    public Batch Load(long step)
    {
        var items = _sampler.Items(step).ToArray();
        return Batch.Of([.. (_rows is null ? items : items.SelectMany(row => _rows[row])).Select(i => _examples[i])]);
    }
}
