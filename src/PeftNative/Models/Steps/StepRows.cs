using PeftNative.Models.Config;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>
/// The rows of a step: those of the stack the head stands on and, where there is an encoder, those that it reads, with
/// what the stacks share. Reused from step to step; belongs to a pass. Used by one thread at a time, like its backend.
/// </summary>
public sealed class StepRows : IDisposable
{
    private readonly StepMemory memory;
    private readonly TransformerConfig config;
    private readonly RopeTensors[] ropes;

    /// <param name="memory">Takes the rows to the backend.</param>
    /// <param name="config">The model.</param>
    /// <param name="positionRows">Rows of its table of positions; null without one.</param>
    internal StepRows(StepMemory memory, TransformerConfig config, int? positionRows)
    {
        (this.memory, this.config) = (memory, config);
        ropes = [.. config.Layers.Select(layer => layer.Rope).OfType<RopeSettings>().Distinct()
            .Select(rope => new RopeTensors(memory.Backend, rope))];
        Stream = Target = new RowStream(memory, config, positionRows);
        if (config.Encoder is not null) Source = new RowStream(memory, config, positionRows);
    }

    /// <summary>The rows at work: those of the decoder, or of the encoder while it runs.</summary>
    public RowStream Stream { get; private set; }

    /// <summary>Number of rows at work: tokens, virtual ones included.</summary>
    public int Count => Stream.Rows;

    /// <summary>First row of each sequence and, last, the number of rows.</summary>
    public ReadOnlySpan<int> Offsets => Stream.RowOffsets;

    /// <summary>Number of sequences.</summary>
    public int SequenceCount => Stream.SequenceCount;

    /// <summary>Keys and values of earlier batches, or null.</summary>
    public KvCache? Cache { get; internal set; }

    /// <summary>The rows of the stack the head stands on.</summary>
    internal RowStream Target { get; }

    /// <summary>The encoder's rows; null for models of one stack.</summary>
    internal RowStream? Source { get; }

    /// <summary>Number of rows of all streams.</summary>
    internal int All => Target.Rows + (Source?.Rows ?? 0);

    /// <summary>The rows of the stream that the head works on at present.</summary>
    internal ReadOnlyMemory<int> Picked { get; set; }

    /// <summary>
    /// The rows that the last sub-block works on, int32 [1, n]; absent for all. The stream above it has no others.
    /// </summary>
    internal Tensor Top { get; set; }

    /// <summary>
    /// What the encoder has made of its rows [rows, D]; absent when a cache has all that is needed of it.
    /// </summary>
    internal Tensor EncoderOutput { get; set; }

    /// <summary>Gradient of <see cref="EncoderOutput"/>, summed up; absent when nobody needs it.</summary>
    internal Tensor EncoderGradient { get; set; }

    /// <summary>Which of the decoder's rows see which of the encoder's.</summary>
    internal Tensor CrossSegments { get; private set; }

    /// <summary>All rotary tables there are.</summary>
    internal IEnumerable<(Tensor Cos, Tensor Sin)> RopeTables => ropes.Select(rope => rope.Tables);

    /// <summary>The row of a token of the batch, counted in its sequence without virtual tokens.</summary>
    public int RowOf(int sequence, int index) => Target.RowOf(sequence, index);

    /// <summary>The rows that a head looks at for each sequence as a whole; see <see cref="PooledRow"/>.</summary>
    public int[] PooledRows() => [.. Enumerable.Range(0, SequenceCount).Select(PooledRow)];

    /// <summary>
    /// The row that a sequence classifier looks at: the first of a bidirectional model (virtual tokens included), the
    /// last of a causal one.
    /// </summary>
    internal int PooledRow(int sequence) => config.Causal ? Offsets[sequence + 1] - 1 : Offsets[sequence];

    /// <summary>Turns to the rows of the encoder, or back to those of the decoder.</summary>
    internal void Enter(RowStream stream) => Stream = stream;

    /// <summary>Rotary cosines and sines by the settings of a layer.</summary>
    internal (Tensor Cos, Tensor Sin) Rope(RopeSettings settings)
    {
        foreach (var rope in ropes)
            if (rope.Settings == settings) return rope.Tables;
        throw new InvalidOperationException("The rotary settings are of no layer of the model.");
    }

    /// <summary>
    /// Takes the next batch to the backend. With an encoder virtual tokens stand in front of the rows that it reads,
    /// and a prefix in front of the decoder's; else both in front of the one stream.
    /// </summary>
    internal void Begin(TokenBatch batch, IVirtualTokens? virtualTokens, IReadOnlyList<ITokenRows> ownRows,
        IPrefix? prefix)
    {
        (EncoderOutput, EncoderGradient, Top) = (default, default, default);
        BeginSource(batch, virtualTokens, ownRows);
        Enter(Target);
        var reach = Target.Fill(batch, Source is null ? virtualTokens : null, ownRows, prefix, Cache);
        CheckDistances(Target, config);
        if (Source is not null) CrossSegments = UploadCrossSegments();
        foreach (var rope in ropes) rope.Prepare(reach);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var rope in ropes) rope.Dispose();
    }

    private void BeginSource(
        TokenBatch batch, IVirtualTokens? virtualTokens, IReadOnlyList<ITokenRows> ownRows)
    {
        var isKnown = Cache is { Length: > 0 };
        if (Source is null && batch.Source is not null)
            throw new UsageException($"A {config.ModelType} model has no encoder to read a source with.");
        if (Source is null || isKnown) return;
        if (batch.Source is not { } source)
            throw new UsageException(
                $"A {config.ModelType} model needs a source for its encoder.", remedy: "Give TokenBatch.Source.");
        Source.Fill(source, virtualTokens, ownRows, prefix: null, cache: null);
        if (config.Encoder is { } encoder) CheckDistances(Source, encoder);
        Cache?.BeginCrossed(Source.RowOffsets);
    }

    // The formula of the reference ends at some distance where the largest that buckets tell apart is very short.
    private static void CheckDistances(RowStream stream, TransformerConfig config)
    {
        var furthest = config.RelativeBuckets == 0 ? int.MaxValue
            : RelativeBuckets.Furthest(config.RelativeBuckets, config.RelativeMaxDistance, !config.Causal);
        if (stream.MostKeys - 1 > furthest)
            throw new DataException($"A sequence has {stream.MostKeys} tokens, and the model's relative positions are"
                + $" defined for {furthest + 1} at most.", "relative_attention_max_distance of config.json",
                "Use a smaller max_seq_length.");
    }

    // Every row of a sequence's target sees every row of its source.
    private Tensor UploadCrossSegments()
    {
        var source = Cache is null ? Source!.RowOffsets : Cache.CrossedOffsets;
        var segments = new int[6 * Target.SequenceCount];
        for (var s = 0; s < Target.SequenceCount; s++)
        {
            var first = Target.RowOffsets[s];
            (segments[6 * s], segments[6 * s + 1]) = (first, Target.RowOffsets[s + 1] - first);
            (segments[6 * s + 2], segments[6 * s + 3]) = (source[s], source[s + 1] - source[s]);
        }
        return memory.Upload(segments, Target.SequenceCount, 6);
    }
}
