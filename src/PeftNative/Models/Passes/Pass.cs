using System.Runtime.InteropServices;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// One walk through the model: the batch on the device, the adapters in force, the arena that holds what is kept until the backward. A pass is reused
/// step after step and then allocates nothing; it belongs to one thread at a time. Many passes may share a model.
/// </summary>
public sealed class Pass : IDisposable
{
    /// <summary>A dropout stream is the number of the step, and in its last bits the place.</summary>
    internal const int PlaceBits = 20;

    private readonly TransformerModel model;
    private readonly SubBlockState[] states;
    private readonly RopeTensors? rope, windowRope;
    private readonly Arena denseWeight;
    private int[] targetRows = [], targetLabels = [];
    private double leastPerRow, blocksPerRow; // bytes of a step that keeps nothing; what all its sub-blocks would have kept
    private long kept;

    /// <summary>Makes a pass over a model.</summary>
    public Pass(TransformerModel model, params IReadOnlyList<AttachmentSet> attachments)
    {
        this.model = model;
        Arena = new Arena(model.Backend, "step", grows: true);
        Transient = new Arena(model.Backend, "step, computed again", grows: true);
        denseWeight = new Arena(model.Backend, "dequantised weight");
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

    /// <summary>Element type of activations.</summary>
    public DType Type => model.Backend.ComputeType;

    /// <summary>Holds everything of the present step.</summary>
    public Arena Arena { get; }

    /// <summary>
    /// Holds what is cheaper to compute again than to keep: outputs of norms and activations. A sub-block empties it when it ends; its
    /// backward makes the same tensors in the same order, so they come to lie where the records of the forward say.
    /// </summary>
    internal Arena Transient { get; }

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

    /// <summary>
    /// Bytes that a training step's activations should stay within, or null. What goes beyond is dropped after the forward of its sub-block and
    /// computed again in its backward: the same bits, later. What a step cannot do without may still be more; see <see cref="PeakBytes"/>.
    /// </summary>
    public long? MemoryBudget { get; set; }

    /// <summary>The rows of the stack the head stands on.</summary>
    internal RowStream Target { get; } = new();

    /// <summary>The encoder's rows; null for models of one stack.</summary>
    internal RowStream? Source { get; }

    /// <summary>What the encoder has made of its rows [rows, D]; absent when a cache has all that is needed of it.</summary>
    internal Tensor Memory { get; set; }

    /// <summary>Gradient of <see cref="Memory"/>, summed up; absent when nobody needs it.</summary>
    internal Tensor MemoryGradient { get; set; }

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
        Arena.Reset();
        Transient.Reset();
        if (MemoryBudget is { } budget) BeginBudget(budget);
        IsTraining = training;
        (Memory, MemoryGradient, TopRows) = (default, default, default);
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

    /// <summary>What products with a weight are made of: its codes where they are to be multiplied, else its numbers.</summary>
    internal Tensor Factor(Parameter weight) => weight.Quantized is { Codes.IsPresent: true } quantized ? quantized.Codes : Dense(weight);

    /// <summary>The numbers of a weight. Those of a quantised one stay until the next one is asked for, so that only one is ever there whole.</summary>
    internal Tensor Dense(Parameter weight)
    {
        if (weight.Quantized is not null) denseWeight.Reset();
        return weight.Dense(Backend, denseWeight);
    }

    /// <summary>
    /// Whether what a sub-block has kept since the mark may stay. The first step with a budget keeps nothing, and so learns what no step can do without.
    /// </summary>
    internal bool KeepsActivations(ArenaMark mark)
    {
        if (MemoryBudget is not { } budget) return true;
        var bytes = Arena.Used - mark.Total;
        if (leastPerRow == 0)
        {
            blocksPerRow += (double)bytes / AllRows;
            return false;
        }
        if (kept + bytes + leastPerRow * AllRows > budget) return false;
        kept += bytes;
        return true;
    }

    /// <summary>Remembers how far the step has come, for <see cref="Rewind"/>.</summary>
    internal PassMark Mark() => new(Arena.Mark(), Transient.Mark(), kept);

    /// <summary>Goes back to a mark, as if nothing had been computed since.</summary>
    internal void Rewind(PassMark mark)
    {
        Arena.Release(mark.Arena);
        Transient.Release(mark.Transient);
        kept = mark.Kept;
        Stream = Target;
    }

    private int AllRows => Target.Rows + (Source?.Rows ?? 0);

    private void BeginBudget(long budget)
    {
        kept = 0;
        if (leastPerRow == 0 && blocksPerRow > 0) leastPerRow = (double)PeakBytes / AllRows;
        // One block from the start: in several, the ends that the next tensor does not fit into would count against the budget.
        if (leastPerRow > 0) Arena.Reserve((long)Math.Min(budget, (leastPerRow + blocksPerRow) * AllRows));
    }

    /// <summary>The most memory a step has taken, in bytes of the backend.</summary>
    public long PeakBytes => Arena.Peak + Transient.Peak + denseWeight.Peak;

    /// <summary>An activation of the present step; its content is undefined.</summary>
    public Tensor NewActivation(int rows, int columns) => Arena.Allocate(Type, rows, columns);

    /// <summary>An activation that lives until the end of the sub-block, and is made again in its backward.</summary>
    internal Tensor NewTransient(int rows, int columns) => Transient.Allocate(Type, rows, columns);

    /// <summary>Takes the memory of a transient tensor of the forward again, in the backward of its sub-block.</summary>
    internal void TakeAgain(in Tensor transient)
    {
        if (NewTransient(transient.Rows, transient.Columns) != transient)
            throw new InvalidOperationException("the backward of a sub-block takes transient memory in another order than its forward");
    }

    /// <summary>A vector, a saved statistic or a gradient of parameters of the present step; its content is undefined.</summary>
    public Tensor NewStatistic(int rows, int columns) => Arena.Allocate(Backend.ParameterType, rows, columns);

    /// <summary>Copies integers to the device for the rest of the step.</summary>
    public Tensor Upload(ReadOnlySpan<int> values, int rows, int columns)
    {
        var tensor = Arena.Allocate(DType.Int32, rows, columns);
        Backend.Upload(MemoryMarshal.AsBytes(values[..(rows * columns)]), tensor);
        return tensor;
    }

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
        Arena.Dispose();
        Transient.Dispose();
        denseWeight.Dispose();
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
        return Upload(segments, Target.SequenceCount, 6);
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

/// <summary>How far a pass has come.</summary>
internal readonly record struct PassMark(ArenaMark Arena, ArenaMark Transient, long Kept);
