using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// Keys and values of the tokens seen so far, for generation: each sequence has a fixed room of rows in every layer; and, where there is an encoder,
/// those of what it has read. Belongs to one pass. Used by one thread at a time, like its backend.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly Arena arena, crossedArena;
    private readonly (Tensor Keys, Tensor Values)[] layers, crossed;
    private readonly int[] lengths;
    private int[] crossedOffsets = [];

    /// <summary>Makes room.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sequences">Number of sequences.</param>
    /// <param name="capacity">Rows per sequence, virtual tokens included.</param>
    /// <exception cref="ResourceException">There is not enough memory.</exception>
    public KvCache(TransformerModel model, int sequences, int capacity)
    {
        Capacity = capacity;
        lengths = new int[sequences];
        arena = new Arena(model.Backend, "key/value cache");
        crossedArena = new Arena(model.Backend, "key/value cache of the encoder");
        var (config, type, rows) = (model.Config, model.Backend.ComputeType, checked(sequences * capacity));
        arena.Reserve(2L * config.LayerCount * Arena.BytesOf(type, rows, config.KvSize)); // one block, which lies on large pages
        layers = [.. Enumerable.Range(0, config.LayerCount).Select(_ =>
            (arena.Allocate(type, rows, config.KvSize), arena.Allocate(type, rows, config.KvSize)))];
        crossed = new (Tensor, Tensor)[config.LayerCount];
    }

    /// <summary>Rows per sequence.</summary>
    public int Capacity { get; }

    /// <summary>Rows of the longest sequence so far.</summary>
    public int Length => lengths.Max();

    /// <summary>Rows of a sequence so far.</summary>
    public int LengthOf(int sequence) => lengths[sequence];

    /// <summary>First row of a sequence's room.</summary>
    public int FirstRow(int sequence) => sequence * Capacity;

    /// <summary>Copies the new rows behind the old ones; returns all keys and values of the layer.</summary>
    internal (Tensor Keys, Tensor Values) Append(Pass pass, int layer, in Tensor k, in Tensor v, int headStride)
    {
        var (keys, values) = layers[layer];
        for (var s = 0; s < pass.SequenceCount; s++)
        {
            var (first, count) = (pass.RowOffsets[s], pass.RowOffsets[s + 1] - pass.RowOffsets[s]);
            if (lengths[s] + count > Capacity)
                throw new UsageException($"The key/value cache has room for {Capacity} rows; {lengths[s] + count} are needed.");
            var target = FirstRow(s) + lengths[s];
            CopyHeads(pass, k.RowRange(first, count), keys.RowRange(target, count), headStride);
            CopyHeads(pass, v.RowRange(first, count), values.RowRange(target, count), headStride);
        }
        return (keys, values);
    }

    /// <summary>Where each sequence's rows of the encoder begin and, last, their number.</summary>
    internal ReadOnlySpan<int> CrossedOffsets => crossedOffsets;

    /// <summary>Forgets what the encoder has read and takes the layout of what it reads now.</summary>
    internal void BeginCrossed(ReadOnlySpan<int> offsets)
    {
        crossedArena.Reset();
        crossedOffsets = offsets.ToArray();
    }

    /// <summary>Room for a layer's keys and values of the encoder's rows.</summary>
    internal (Tensor Keys, Tensor Values) NewCrossed(int layer, int rows) =>
        crossed[layer] = (crossedArena.Allocate(layers[layer].Keys.Type, rows, layers[layer].Keys.Columns),
            crossedArena.Allocate(layers[layer].Keys.Type, rows, layers[layer].Keys.Columns));

    /// <summary>A layer's keys and values of the encoder's rows.</summary>
    internal (Tensor Keys, Tensor Values) Crossed(int layer) => crossed[layer];

    // Heads that lie apart in the projection lie side by side in the cache.
    private static void CopyHeads(Pass pass, in Tensor source, in Tensor target, int headStride)
    {
        var width = pass.Model.Config.HeadDim;
        if (headStride == width) pass.Backend.Copy(source, target);
        else
            for (var h = 0; h < pass.Model.Config.KvHeadCount; h++)
                pass.Backend.Copy(source.Slice(h * headStride, width), target.Slice(h * width, width));
    }

    /// <summary>Counts the rows of the pass that has just gone through all layers.</summary>
    internal void Advance(Pass pass)
    {
        for (var s = 0; s < pass.SequenceCount; s++) lengths[s] += pass.RowOffsets[s + 1] - pass.RowOffsets[s];
    }

    /// <summary>Empties the cache.</summary>
    public void Clear() => lengths.AsSpan().Clear();

    /// <inheritdoc/>
    public void Dispose()
    {
        arena.Dispose();
        crossedArena.Dispose();
    }
}
