using System.Runtime.CompilerServices;
using PeftNative.Models.Config;
using PeftNative.Models.Steps;
using PeftNative.Ops;

namespace PeftNative.Models.Layers;

/// <summary>
/// One walk through the layers, as these and what adapters hang on them see it: the memory of the step, its rows, the
/// adapters in force. Made and begun by a <see cref="ModelRun"/>. Used by one thread at a time, like its backend.
/// </summary>
public sealed class Pass
{
    /// <summary>A dropout stream is the number of the step, and in its last bits the place.</summary>
    internal const int PlaceBits = 20;

    private ConditionalWeakTable<AttachmentSet, Pass>? others;

    internal Pass(IBackend backend, TransformerConfig config, int? positionRows, IReadOnlyList<SubBlock> blocks,
        IReadOnlyList<AttachmentSet> adapters)
    {
        Memory = new StepMemory(backend);
        Rows = new StepRows(Memory, config, positionRows);
        States = new PassStates(blocks);
        Adapters = new ActiveAdapters(blocks.Count, adapters);
    }

    private Pass(Pass whole, AttachmentSet adapter)
    {
        (Memory, Rows, States) = (whole.Memory, whole.Rows, whole.States);
        Adapters = new ActiveAdapters(States.Blocks.Length, [adapter]);
    }

    /// <summary>Executes the operations.</summary>
    public IBackend Backend => Memory.Backend;

    /// <summary>All memory of the present step.</summary>
    public StepMemory Memory { get; }

    /// <summary>Whether a backward will follow.</summary>
    public bool IsTraining { get; private set; }

    /// <summary>Seed of the run's dropout.</summary>
    public ulong Seed { get; internal set; }

    /// <summary>Number of the (micro-)step, part of every dropout key.</summary>
    public ulong Step { get; internal set; }

    /// <summary>The rows of the present step.</summary>
    public StepRows Rows { get; }

    /// <summary>The adapters in force.</summary>
    public ActiveAdapters Adapters { get; }

    /// <summary>What the parts of the model keep between forward and backward.</summary>
    internal PassStates States { get; }

    internal EmbeddingSite.State EmbeddingState => States.Embedding(Rows);

    /// <summary>Takes the next batch and forgets the last one. With a cache its sequences are continued.</summary>
    internal void Begin(TokenBatch batch, bool training)
    {
        Adapters.Begin();
        Memory.Begin(Rows.All);
        IsTraining = training;
        Rows.Begin(batch, Adapters.VirtualTokens, Adapters.TokenRows, Adapters.Prefix);
    }

    /// <summary>The same walk with one adapter alone in force, over the same memory and rows; made once.</summary>
    internal Pass Under(AttachmentSet adapter)
    {
        others ??= [];
        if (!others.TryGetValue(adapter, out var other)) others.Add(adapter, other = new Pass(this, adapter));
        (other.IsTraining, other.Seed, other.Step) = (IsTraining, Seed, Step);
        return other;
    }

    /// <summary>The dropout mask of a place in the model for the present step.</summary>
    public DropoutMask Dropout(double probability, uint purpose, int place) => IsTraining && probability > 0
        ? new DropoutMask((float)probability, Seed ^ ((ulong)purpose << 32), (Step << PlaceBits) | (uint)place)
        : default;

    /// <summary>Gives up its memory; for the run that made it.</summary>
    internal void Dispose()
    {
        Memory.Dispose();
        Rows.Dispose();
    }
}
