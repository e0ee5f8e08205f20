using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// One walk through the model: the batch on the device, the adapters in force, the memory of the step. A pass is reused
/// step after step and then allocates nothing; it belongs to one thread at a time. Many passes may share a model.
/// </summary>
public sealed class Pass : IDisposable
{
    /// <summary>A dropout stream is the number of the step, and in its last bits the place.</summary>
    internal const int PlaceBits = 20;

    private readonly TransformerModel model;
    private readonly SubBlockState[] states;
    private readonly RopeTensors? rope, windowRope;
    private int[] targetRows = [], targetLabels = [];

    /// <summary>Makes a pass over a model.</summary>
    public Pass(TransformerModel model, params IReadOnlyList<AttachmentSet> attachments)
    {
        this.model = model;
        Memory = new StepMemory(model.Backend);
        rope = model.Config.Rope is { } r ? new RopeTensors(model.Backend, r) : null;
        windowRope = model.Config.WindowRope is { } w ? new RopeTensors(model.Backend, w) : null;
        states = [.. model.Blocks.Select(b => b.NewState())];
        Stream = Target;
        if (model.Config.Encoder is not null) Source = new RowStream();
        Attachments = attachments;
    }

    /// <summary>The adapters in force; may be exchanged between passes.</summary>
    public IReadOnlyList<AttachmentSet> Attachments { get; set; }

    /// <summary>The model.</summary>
    public TransformerModel Model => model;

    /// <summary>Executes the operations.</summary>
    public IBackend Backend => model.Backend;

    /// <summary>All memory of the present step.</summary>
    public StepMemory Memory { get; }

    /// <summary>Whether a backward will follow.</summary>
    public bool IsTraining { get; private set; }

    /// <summary>Seed of the run's dropout.</summary>
    public ulong Seed { get; set; }

    /// <summary>Number of the (micro-)step, part of every dropout key.</summary>
    public ulong Step { get; set; }

    /// <summary>The rows at work: those of the decoder, or of the encoder while it runs.</summary>
    public RowStream Stream { get; private set; }

    /// <summary>Rows at work: tokens, virtual ones included.</summary>
    public int Rows => Stream.Rows;

    /// <summary>First row of each sequence and, last, the number of rows.</summary>
    public ReadOnlySpan<int> RowOffsets => Stream.RowOffsets;

    /// <summary>Number of sequences.</summary>
    public int SequenceCount => Stream.SequenceCount;

    /// <summary>The rows of the stream that the head works on at present.</summary>
    internal ReadOnlyMemory<int> PickedRows { get; set; }

    /// <summary>The rows that the last sub-block works on, int32 [1, n]; absent for all. The stream above it has no others.</summary>
    internal Tensor TopRows { get; set; }

    /// <summary>Keys and values of earlier passes, or null.</summary>
    public KvCache? Cache { get; set; }

    /// <summary>Outputs of frozen layers from earlier epochs, or null. It serves training passes only.</summary>
    public FrozenLayerCache? FrozenLayers { get; set; }

    /// <summary>The rows of the stack the head stands on.</summary>
    internal RowStream Target { get; } = new();

    /// <summary>The encoder's rows; null for models of one stack.</summary>
    internal RowStream? Source { get; }

    /// <summary>What the encoder has made of its rows [rows, D]; absent when a cache has all that is needed of it.</summary>
    internal Tensor EncoderOutput { get; set; }

    /// <summary>Gradient of <see cref="EncoderOutput"/>, summed up; absent when nobody needs it.</summary>
    internal Tensor EncoderGradient { get; set; }

    /// <summary>Which of the decoder's rows see which of the encoder's.</summary>
    internal Tensor CrossSegments { get; private set; }

    /// <summary>Depth of the lowest sub-block with a trained parameter; -1 for the embeddings, the number of sub-blocks for the head alone.</summary>
    public int LowestTrainedDepth { get; private set; }

    /// <summary>Takes the next batch and forgets the last one. A pass with a cache continues its sequences.</summary>
    /// <exception cref="ModelFormatException">A token id or position lies outside the model's tables.</exception>
    /// <exception cref="ObjectDisposedException">The model or an adapter in force has been disposed.</exception>
    public void Begin(TokenBatch batch, bool training)
    {
        ObjectDisposedException.ThrowIf(model.IsDisposed, model);
        // By index: an enumerator of the list would be managed memory in every step.
        for (var i = 0; i < Attachments.Count; i++)
            ObjectDisposedException.ThrowIf(Attachments[i].IsDisposed, Attachments[i]);
        Memory.Begin(AllRows);
        IsTraining = training;
        (EncoderOutput, EncoderGradient, TopRows) = (default, default, default);
        LowestTrainedDepth = FindLowestTrainedDepth();
        var virtualTokens = Single(a => a.VirtualTokens, "virtual tokens");
        var prefix = Single(a => a.Prefix, "a prefix");
        // Virtual tokens stand in front of what is read, a prefix in front of what is written.
        BeginSource(batch, virtualTokens);
        Enter(Target);
        var reach = Target.Fill(this, batch, Source is null ? virtualTokens : null, prefix, Cache);
        CheckDistances(Target, model.Config);
        if (Source is not null) CrossSegments = UploadCrossSegments();
        rope?.Prepare(reach);
        windowRope?.Prepare(reach);
    }

    /// <summary>The row of a token of the batch, counted in its sequence without virtual tokens.</summary>
    public int RowOf(int sequence, int index) => Target.RowOf(sequence, index);

    /// <summary>Turns to the rows of the encoder, or back to those of the decoder.</summary>
    internal void Enter(RowStream stream) => Stream = stream;

    /// <summary>Rotary cosines and sines of full layers, or of those with a window where they differ.</summary>
    internal (Tensor Cos, Tensor Sin) Rope(bool windowed) => (windowed ? windowRope! : rope!).Tables;

    /// <summary>All rotary tables there are.</summary>
    internal IEnumerable<(Tensor Cos, Tensor Sin)> RopeTables
    {
        get
        {
            if (rope is not null) yield return rope.Tables;
            if (windowRope is not null) yield return windowRope.Tables;
        }
    }

    /// <summary>Rows of all streams.</summary>
    internal int AllRows => Target.Rows + (Source?.Rows ?? 0);

    /// <summary>Memory for as many rows and their labels, the same from step to step.</summary>
    internal (int[] Rows, int[] Labels) TargetBuffers(int count)
    {
        if (targetRows.Length < count) (targetRows, targetLabels) = (new int[count], new int[count]);
        return (targetRows, targetLabels);
    }

    /// <summary>
    /// The parameter in force: an adapter's copy, or the model's own. A copy stands for the one parameter it was made
    /// of: where a tied embedding is replaced, the head stays the model's, unless the adapter replaces that too.
    /// </summary>
    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(parameter))]
    public Parameter? Resolve(Parameter? parameter)
    {
        if (parameter is null) return null;
        for (var i = Attachments.Count - 1; i >= 0; i--)
            if (Attachments[i].Replacement(parameter.Index) is { } replacement) return replacement;
        return parameter.TiedTo ?? parameter;
    }

    /// <summary>Whether the parameter in force has a gradient.</summary>
    public bool IsTrained(Parameter? parameter) => Resolve(parameter)?.Gradient.IsPresent ?? false;

    /// <summary>Whether anything at a linear layer is trained.</summary>
    internal bool IsTrained(LinearSite site) => site.IsTrained(this);

    internal SubBlockState StateOf(int depth) => states[depth];

    internal ModelHead.State HeadState { get; } = new();

    internal NormState MemoryNorm { get; } = new();

    /// <summary>The dropout mask of a place in the model for the present step.</summary>
    public DropoutMask Dropout(double probability, uint purpose, int place) => IsTraining && probability > 0
        ? new DropoutMask((float)probability, Seed ^ ((ulong)purpose << 32), (Step << PlaceBits) | (uint)place)
        : default;

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory.Dispose();
        rope?.Dispose();
        windowRope?.Dispose();
    }

    private void BeginSource(TokenBatch batch, IVirtualTokens? virtualTokens)
    {
        var isKnown = Cache is { Length: > 0 };
        if (Source is null && batch.Source is not null)
            throw new UsageException($"A {model.Config.ModelType} model has no encoder to read a source with.");
        if (Source is null || isKnown) return;
        if (batch.Source is not { } source)
            throw new UsageException($"A {model.Config.ModelType} model needs a source for its encoder.", remedy: "Give TokenBatch.Source.");
        Source.Fill(this, source, virtualTokens, prefix: null, cache: null);
        if (model.Config.Encoder is { } encoder) CheckDistances(Source, encoder);
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
        return Memory.Upload(segments, Target.SequenceCount, 6);
    }

    private int FindLowestTrainedDepth()
    {
        var lowest = model.Blocks.Count;
        for (var i = 0; i < Attachments.Count; i++)
        {
            var trainables = Attachments[i].Trainables;
            for (var j = 0; j < trainables.Count; j++)
                if (trainables[j].Gradient.IsPresent) lowest = Math.Min(lowest, trainables[j].Depth);
        }
        return lowest;
    }

    private T? Single<T>(Func<AttachmentSet, T?> member, string what) where T : class
    {
        T? found = null;
        for (var i = 0; i < Attachments.Count; i++)
            if (member(Attachments[i]) is { } value)
                found = found is null ? value : throw new UsageException($"Two active adapters bring {what}; only one can stand in front.");
        return found;
    }
}
