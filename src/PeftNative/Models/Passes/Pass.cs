using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// One walk through the model: the batch on the device, the adapters in force, the arena that holds what is kept until the backward. A pass is reused
/// step after step and then allocates nothing; it belongs to one thread at a time. Many passes may share a model.
/// </summary>
public sealed class Pass : IDisposable
{
    private readonly TransformerModel model;
    private readonly SubBlockState[] states;
    private readonly HostBuffers host = new();
    private readonly RopeTensors? rope, windowRope;

    /// <summary>Makes a pass over a model.</summary>
    public Pass(TransformerModel model, params IReadOnlyList<AttachmentSet> attachments)
    {
        this.model = model;
        Arena = new Arena(model.Backend, "step");
        Transient = new Arena(model.Backend, "step, computed again");
        rope = model.Config.Rope is { } r ? new RopeTensors(model.Backend, r) : null;
        windowRope = model.Config.WindowRope is { } w ? new RopeTensors(model.Backend, w) : null;
        states = [.. model.Blocks.Select(b => b.NewState())];
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

    /// <summary>Rows: tokens, virtual ones included.</summary>
    public int Rows { get; private set; }

    /// <summary>First row of each sequence and, last, the number of rows.</summary>
    public ReadOnlySpan<int> RowOffsets => host.RowOffsets.AsSpan(0, SequenceCount + 1);

    /// <summary>Number of sequences.</summary>
    public int SequenceCount { get; private set; }

    /// <summary>Virtual tokens in front of each sequence.</summary>
    public int VirtualCount { get; private set; }

    /// <summary>The rows of the stream that the head works on at present.</summary>
    internal ReadOnlyMemory<int> PickedRows { get; set; }

    /// <summary>Token ids, int32 [1, rows].</summary>
    public Tensor Tokens { get; private set; }

    /// <summary>Positions, int32 [1, rows].</summary>
    public Tensor Positions { get; private set; }

    /// <summary>Token types, int32 [1, rows].</summary>
    public Tensor Types { get; private set; }

    /// <summary>Segments of attention; see <see cref="AttentionOp"/>.</summary>
    public Tensor Segments { get; private set; }

    /// <summary>Keys and values of earlier passes, or null.</summary>
    public KvCache? Cache { get; set; }

    /// <summary>The active prefix, or null.</summary>
    public IPrefix? Prefix { get; private set; }

    /// <summary>The active virtual tokens, or null.</summary>
    public IVirtualTokens? VirtualTokens { get; private set; }

    /// <summary>Depth of the lowest sub-block with a trained parameter; -1 for the embeddings, 2 L for the head alone.</summary>
    public int LowestTrainedDepth { get; private set; }

    /// <summary>Takes the next batch and forgets the last one. A pass with a cache continues its sequences.</summary>
    /// <exception cref="ModelFormatException">A token id or position lies outside the model's tables.</exception>
    public void Begin(TokenBatch batch, bool training)
    {
        Arena.Reset();
        Transient.Reset();
        IsTraining = training;
        SequenceCount = batch.SequenceCount;
        LowestTrainedDepth = FindLowestTrainedDepth();
        VirtualTokens = Single(a => a.VirtualTokens, "virtual tokens");
        Prefix = Single(a => a.Prefix, "a prefix");
        VirtualCount = Cache is { Length: > 0 } ? 0 : VirtualTokens?.Count ?? 0;
        Rows = batch.Tokens.Length + VirtualCount * SequenceCount;
        var reach = host.Fill(this, batch, model.Config);
        Tokens = Upload(host.Tokens, 1, Rows);
        Positions = Upload(host.Positions, 1, Rows);
        Types = Upload(host.Types, 1, Rows);
        Segments = Upload(host.Segments, SequenceCount, 6);
        rope?.Prepare(reach);
        windowRope?.Prepare(reach);
        for (var i = 0; i < Attachments.Count; i++) Attachments[i].BeforeForward(this);
    }

    /// <summary>The row of a token of the batch, counted in its sequence without virtual tokens.</summary>
    public int RowOf(int sequence, int index) => host.RowOffsets[sequence] + VirtualCount + index;

    /// <summary>Rotary cosines and sines of full layers, or of those with a window where they differ.</summary>
    internal (Tensor Cos, Tensor Sin) Rope(bool windowed) => (windowed ? windowRope! : rope!).Tables;

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
    public Tensor Upload(int[] values, int rows, int columns)
    {
        var tensor = Arena.Allocate(DType.Int32, rows, columns);
        Backend.Upload(MemoryMarshal.AsBytes(values.AsSpan(0, rows * columns)), tensor);
        return tensor;
    }

    /// <summary>The parameter in force: an adapter's copy, or the model's own.</summary>
    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(parameter))]
    public Parameter? Resolve(Parameter? parameter)
    {
        if (parameter is null) return null;
        for (var i = Attachments.Count - 1; i >= 0; i--)
            if (Attachments[i].Replacement(parameter.Index) is { } replacement) return replacement;
        return parameter.TiedTo is { } tied ? Resolve(tied) : parameter;
    }

    /// <summary>Whether the parameter in force has a gradient.</summary>
    public bool IsTrained(Parameter? parameter) => Resolve(parameter)?.Gradient.IsPresent ?? false;

    /// <summary>Whether anything at a linear layer is trained.</summary>
    internal bool IsTrained(LinearSite site) => site.IsTrained(this);

    internal SubBlockState StateOf(int depth) => states[depth];

    internal ModelHead.State HeadState { get; } = new();

    internal EmbeddingSite.State EmbeddingState { get; } = new();

    /// <summary>The dropout mask of a place in the model for the present step.</summary>
    public DropoutMask Dropout(double probability, uint purpose, int place) => IsTraining && probability > 0
        ? new DropoutMask((float)probability, Seed ^ ((ulong)purpose << 32), (Step << 20) | (uint)place)
        : default;

    /// <inheritdoc/>
    public void Dispose()
    {
        Arena.Dispose();
        Transient.Dispose();
        rope?.Dispose();
        windowRope?.Dispose();
    }

    private int FindLowestTrainedDepth()
    {
        var lowest = 2 * model.Config.LayerCount;
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

    /// <summary>Arrays that grow to the largest batch and are then reused.</summary>
    private sealed class HostBuffers
    {
        internal int[] Tokens = [], Positions = [], Types = [], Segments = [], RowOffsets = [];

        /// <summary>Lays out the rows; returns one more than the largest position.</summary>
        internal int Fill(Pass pass, TokenBatch batch, TransformerConfig config)
        {
            Grow(pass.Rows, batch.SequenceCount);
            int row = 0, reach = 0;
            var prefix = pass.Prefix?.Count ?? 0;
            for (var s = 0; s < batch.SequenceCount; s++)
            {
                RowOffsets[s] = row;
                var past = pass.Cache?.LengthOf(s) ?? 0;
                var virtuals = pass.Cache is null || past == 0 ? pass.VirtualCount : 0;
                for (var v = 0; v < virtuals; v++, row++) (Tokens[row], Positions[row], Types[row]) = (-1 - v, config.PositionOffset + prefix + v, 0);
                var begin = config.PositionOffset + prefix + past + virtuals;
                for (var i = batch.Offsets[s]; i < batch.Offsets[s + 1]; i++, row++)
                {
                    Tokens[row] = Check(batch.Tokens[i], config.VocabularySize, "token id");
                    Positions[row] = begin + (batch.Positions?[i] ?? i - batch.Offsets[s]);
                    Types[row] = batch.Types?[i] ?? 0;
                    reach = Math.Max(reach, Positions[row] + 1);
                }
                WriteSegment(pass, s, row, past, prefix);
            }
            RowOffsets[batch.SequenceCount] = row;
            if (pass.Model.Embedding.Positions is { } table && reach > table.Rows)
                throw new DataException($"A sequence reaches row {reach - 1} of the model's position table, which has {table.Rows}.",
                    remedy: "Use a smaller max_seq_length.");
            if (config.TypeVocabularySize > 0)
                for (var i = 0; i < row; i++) Check(Types[i], config.TypeVocabularySize, "token type");
            return reach;
        }

        private void WriteSegment(Pass pass, int s, int end, int past, int prefix)
        {
            var segment = Segments.AsSpan(6 * s, 6);
            var rows = end - RowOffsets[s];
            segment[0] = RowOffsets[s];
            segment[1] = rows;
            segment[2] = pass.Cache?.FirstRow(s) ?? RowOffsets[s];
            segment[3] = past + rows;
            segment[4] = 0;
            segment[5] = prefix;
        }

        private void Grow(int rows, int sequences)
        {
            if (Tokens.Length < rows) (Tokens, Positions, Types) = (new int[rows], new int[rows], new int[rows]);
            if (RowOffsets.Length <= sequences) (RowOffsets, Segments) = (new int[sequences + 1], new int[6 * (sequences + 1)]);
        }

        private static int Check(int value, int limit, string what) => (uint)value < (uint)limit
            ? value
            : throw new DataException($"The {what} {value} lies outside the model's table of {limit} rows.",
                remedy: "The tokenizer and the model do not belong together, or the embedding was not resized for added tokens.");
    }
}
