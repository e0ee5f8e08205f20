using PeftNative.Models.Layers;
using PeftNative.Models.Steps;
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

    /// <summary>Makes a pass over a model.</summary>
    public Pass(TransformerModel model, params IReadOnlyList<AttachmentSet> attachments)
    {
        this.model = model;
        Memory = new StepMemory(model.Backend);
        Rows = new StepRows(Memory, model.Config, model.Embedding.Positions?.Rows);
        states = [.. model.Blocks.Select(b => b.NewState())];
        Adapters = new ActiveAdapters(model.Blocks.Count, attachments);
    }

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

    /// <summary>The adapters in force.</summary>
    public ActiveAdapters Adapters { get; }

    /// <summary>Outputs of frozen layers from earlier epochs, or null. It serves training passes only.</summary>
    public FrozenLayerCache? FrozenLayers { get; set; }

    /// <summary>Takes the next batch and forgets the last one. A pass with a cache continues its sequences.</summary>
    /// <exception cref="ModelFormatException">A token id or position lies outside the model's tables.</exception>
    /// <exception cref="ObjectDisposedException">The model or an adapter in force has been disposed.</exception>
    public void Begin(TokenBatch batch, bool training)
    {
        ObjectDisposedException.ThrowIf(model.IsDisposed, model);
        Adapters.Begin();
        Memory.Begin(Rows.All);
        IsTraining = training;
        Rows.Begin(batch, Adapters.VirtualTokens, Adapters.TokenRows, Adapters.Prefix);
    }

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
}
