using PeftNative.Models.Config;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>
/// Keys and values of the tokens seen so far, for generation: each sequence has a fixed room of rows in every layer;
/// and, where there is an encoder, those of what it has read. Belongs to one pass. Used by one thread at a time, like
/// its backend.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly IBackend backend;
    private readonly TransformerConfig config;
    private readonly Arena arena, crossedArena;
    private readonly (Tensor Keys, Tensor Values)[] layers, crossed;
    private readonly int[] lengths;
    private int[] crossedOffsets = [];

    /// <summary>Makes room.</summary>
    /// <param name="backend">Where the model is.</param>
    /// <param name="config">The model.</param>
    /// <param name="sequences">Number of sequences.</param>
    /// <param name="capacity">Rows per sequence, virtual tokens included.</param>
    /// <exception cref="ResourceException">There is not enough memory.</exception>
    public KvCache(IBackend backend, TransformerConfig config, int sequences, int capacity)
    {
        (this.backend, this.config, Capacity) = (backend, config, capacity);
        lengths = new int[sequences];
        arena = new Arena(backend, "key/value cache");
        crossedArena = new Arena(backend, "key/value cache of the encoder");
        var (type, rows) = (backend.ComputeType, checked(sequences * capacity));
        // one block, which lies on large pages
        arena.Reserve(2L * config.LayerCount * Arena.BytesOf(type, rows, config.KvSize));
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
    internal (Tensor Keys, Tensor Values) Append(RowStream stream, int layer, in Tensor k, in Tensor v, int headStride)
    {
        var (keys, values) = layers[layer];
        for (var s = 0; s < stream.SequenceCount; s++)
        {
            var (first, count) = (stream.RowOffsets[s], stream.RowOffsets[s + 1] - stream.RowOffsets[s]);
            if (lengths[s] + count > Capacity)
                throw new UsageException(
                    $"The key/value cache has room for {Capacity} rows; {lengths[s] + count} are needed.");
            var target = FirstRow(s) + lengths[s];
            CopyHeads(k.RowRange(first, count), keys.RowRange(target, count), headStride);
            CopyHeads(v.RowRange(first, count), values.RowRange(target, count), headStride);
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
    private void CopyHeads(in Tensor source, in Tensor target, int headStride)
    {
        var width = config.HeadDim;
        if (headStride == width) backend.Copy(source, target);
        else
            for (var h = 0; h < config.KvHeadCount; h++)
                backend.Copy(source.Slice(h * headStride, width), target.Slice(h * width, width));
    }

    /// <summary>Counts the rows of the stream that has just gone through all layers.</summary>
    internal void Advance(RowStream stream)
    {
        for (var s = 0; s < stream.SequenceCount; s++)
            lengths[s] += stream.RowOffsets[s + 1] - stream.RowOffsets[s];
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
