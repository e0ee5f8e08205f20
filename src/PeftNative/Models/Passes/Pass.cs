using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Ops;

namespace PeftNative.Models;

/// <summary>
/// One walk through the model: the memory of the step, the batch on the device, the adapters in force. A pass is reused
/// step after step and then allocates nothing; it belongs to one thread at a time. Many passes may share a model.
/// </summary>
public sealed class Pass : IDisposable
{
    /// <summary>A dropout stream is the number of the step, and in its last bits the place.</summary>
    internal const int PlaceBits = 20;

    private readonly TransformerModel model;
    private readonly SubBlockState[] states;
    private readonly EmbeddingSite.State targetEmbedding = new(), sourceEmbedding = new();
    private int[] targetRows = [], targetLabels = [];

    /// <summary>Makes a pass over a model.</summary>
    public Pass(TransformerModel model, params IReadOnlyList<AttachmentSet> attachments)
    {
        this.model = model;
        Memory = new StepMemory(model.Backend);
        Rows = new StepRows(Memory, model.Config, model.Embedding.Positions?.Rows);
        states = [.. model.Blocks.Select(b => b.NewState())];
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

    /// <summary>The rows of the present step.</summary>
    public StepRows Rows { get; }

    /// <summary>Outputs of frozen layers from earlier epochs, or null. It serves training passes only.</summary>
    public FrozenLayerCache? FrozenLayers { get; set; }

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
        Memory.Begin(Rows.All);
        IsTraining = training;
        LowestTrainedDepth = FindLowestTrainedDepth();
        var virtualTokens = Single(a => a.VirtualTokens, "virtual tokens");
        var prefix = Single(a => a.Prefix, "a prefix");
        Rows.Begin(batch, virtualTokens, prefix);
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

    /// <summary>What the embedding keeps for the stream at work.</summary>
    internal EmbeddingSite.State EmbeddingState => Rows.Stream == Rows.Target ? targetEmbedding : sourceEmbedding;

    internal NormState MemoryNorm { get; } = new();

    /// <summary>The dropout mask of a place in the model for the present step.</summary>
    public DropoutMask Dropout(double probability, uint purpose, int place) => IsTraining && probability > 0
        ? new DropoutMask((float)probability, Seed ^ ((ulong)purpose << 32), (Step << PlaceBits) | (uint)place)
        : default;

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory.Dispose();
        Rows.Dispose();
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
