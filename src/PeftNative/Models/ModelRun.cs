using PeftNative.Models.Layers;
using PeftNative.Models.Steps;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// Runs batches through a model: <see cref="Forward(TokenBatch)"/>, and then what they come to
/// (<see cref="Scores()"/>, <see cref="Loss"/>, <see cref="Hidden"/>); or a training step, <see cref="Train"/>. It
/// holds the memory of a step and takes none from the system once the first ones have shown how much that is. Whatever
/// it gives out as a tensor is memory of the present batch, gone with the next one. Used by one thread at a time;
/// several runs may share a model, one for each worker, as long as they take turns on its backend. Owns neither model,
/// adapters, cache nor frozen layers.
/// </summary>
public sealed class ModelRun : IDisposable
{
    private readonly LayerWalk walk;
    private TokenBatch? batch;
    private Targets? taken;
    private Tensor? hidden;

    /// <summary>Makes a run of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapters">The adapters in force, in the order in which they act; none for the bare model.</param>
    public ModelRun(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        Model = model;
        Pass = new Pass(model.Backend, model.Config, model.Embedding.Positions?.Rows, model.Blocks, adapters);
        walk = new LayerWalk(model, Pass);
        Graphs = new StepGraphs(Pass, RunStep);
    }

    /// <summary>The model.</summary>
    public TransformerModel Model { get; }

    /// <summary>The adapters in force; may be exchanged between two batches.</summary>
    public IReadOnlyList<AttachmentSet> Adapters { get => Pass.Adapters.InForce; set => Pass.Adapters.InForce = value; }

    /// <summary>Seed of dropout in training.</summary>
    public ulong Seed { get => Pass.Seed; set => Pass.Seed = value; }

    /// <summary>Number of the (micro-)step, part of every dropout key.</summary>
    public ulong Step { get => Pass.Step; set => Pass.Step = value; }

    /// <summary>Keys and values of earlier batches, whose sequences the next ones continue; null for none.</summary>
    public KvCache? Cache { get => Rows.Cache; set => Rows.Cache = value; }

    /// <summary>What frozen layers made of sequences in earlier epochs, or null. It serves training only.</summary>
    public FrozenLayerCache? FrozenLayers { get; set; }

    /// <summary>The memory of a step: its budget and its peak.</summary>
    public StepMemory Memory => Pass.Memory;

    /// <summary>The rows of the present batch: where its sequences and tokens are in the stream.</summary>
    public StepRows Rows => Pass.Rows;

    /// <summary>Training steps as graphs of the device, where the backend can.</summary>
    public StepGraphs Graphs { get; }

    /// <summary>What the layers see of the present batch.</summary>
    internal Pass Pass { get; }

    /// <summary>The stream [rows, D] above all layers, before the final norm.</summary>
    /// <exception cref="InvalidOperationException">No <see cref="Forward(TokenBatch)"/> came before.</exception>
    public Tensor Hidden => hidden is { } whole && !Pass.IsTraining ? whole
        : throw new InvalidOperationException("call Forward(batch) before asking what it makes of all rows");

    /// <summary>Runs all layers on a batch, to look at what they make of it.</summary>
    /// <exception cref="DataException">A token id, type or position lies outside the model's tables.</exception>
    /// <exception cref="UsageException">The model has an encoder and the batch no source for it, or two adapters stand
    /// in front of its sequences.</exception>
    /// <exception cref="ResourceException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The model or an adapter in force has been disposed.</exception>
    public void Forward(TokenBatch batch)
    {
        Begin(batch, training: false);
        hidden = walk.Forward(frozen: null);
    }

    /// <summary>
    /// Runs all layers on a batch so that <see cref="Backward"/> can follow. Dropout is on, and rows without a target
    /// may be left out on the way.
    /// </summary>
    /// <exception cref="DataException">The targets do not fit the batch or the model.</exception>
    /// <inheritdoc cref="Forward(TokenBatch)" path="/exception"/>
    public void Forward(TokenBatch batch, Targets targets)
    {
        BeginStep(batch, targets);
        hidden = walk.Forward(FrozenLayers);
    }

    /// <summary>
    /// Scores [rows, labels or vocabulary] of all rows of the batch; of each sequence for classifiers of sequences.
    /// </summary>
    /// <inheritdoc cref="Hidden" path="/exception"/>
    public Tensor Scores() => Scores(Model.Task == ModelTask.SequenceClassification
        ? Rows.PooledRows() : [.. Enumerable.Range(0, Rows.Count)]);

    /// <summary>
    /// The last hidden states [rows, D] of some rows of the stream, behind the final norm, as transformers' AutoModel
    /// gives them, whatever head the model has.
    /// </summary>
    /// <inheritdoc cref="Hidden" path="/exception"/>
    public Tensor LastStates(int[] rows) => Model.Head.LastStates(Pass, Hidden, rows);

    /// <summary>Scores [rows, labels or vocabulary] of some rows of the stream.</summary>
    /// <inheritdoc cref="Hidden" path="/exception"/>
    public Tensor Scores(int[] rows) => Model.Head.Scores(Pass, Hidden, rows);

    /// <summary>Scores [rows, labels or vocabulary] of the rows that have a target, in their order.</summary>
    /// <exception cref="DataException">The targets do not fit the batch or the model.</exception>
    /// <inheritdoc cref="Hidden" path="/exception"/>
    public Tensor Scores(Targets targets)
    {
        _ = Hidden;
        Resolve(targets);
        return Scores(Pass.States.Head.Targets.Rows.ToArray());
    }

    /// <summary>The loss of the batch that went forward; no gradients.</summary>
    /// <param name="targets">Those that Forward was given, if it was given any.</param>
    /// <exception cref="DataException">The targets do not fit the batch or the model.</exception>
    /// <exception cref="InvalidOperationException">No Forward came before, or one with other targets.</exception>
    public HeadResult Loss(Targets targets)
    {
        if (hidden is not { } x || (Pass.IsTraining && !targets.IsSameAs(taken)))
            throw new InvalidOperationException("call Forward before Loss; where it is given targets, with the same");
        Take(targets);
        Model.Head.Run(Pass, x, backward: false, default);
        return Model.Head.Result(Pass);
    }

    /// <summary>
    /// Loss and gradients of the batch that went forward with targets. Gradients are added to those of the trained
    /// parameters. The batch is used up.
    /// </summary>
    /// <param name="targets">Those that Forward was given, or a copy of them with another factor of the
    /// gradient.</param>
    /// <exception cref="InvalidOperationException">No Forward with these targets came before.</exception>
    public HeadResult Backward(Targets targets)
    {
        if (hidden is not { } x || !Pass.IsTraining || !targets.IsSameAs(taken))
            throw new InvalidOperationException("call Forward(batch, targets) with these targets before Backward");
        Take(targets);
        walk.Backward(x);
        return EndStep();
    }

    /// <summary>
    /// Forward, loss and backward of a batch, as <see cref="Forward(TokenBatch, Targets)"/> and <see cref="Backward"/>
    /// do it. Gradients are added to those of the trained parameters.
    /// </summary>
    /// <inheritdoc cref="Forward(TokenBatch, Targets)" path="/exception"/>
    public HeadResult Train(TokenBatch batch, Targets targets)
    {
        BeginStep(batch, targets);
        // What a cache of frozen layers is asked for differs from step to step.
        if (walk.IsRestored(FrozenLayers) || !Graphs.TryRun()) RunStep();
        return EndStep();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Graphs.Clear();
        Pass.Dispose();
    }

    private void Begin(TokenBatch next, bool training)
    {
        ObjectDisposedException.ThrowIf(Model.IsDisposed, Model);
        (batch, taken, hidden) = (next, null, null);
        Pass.Begin(next, training);
    }

    // All that goes to the backend goes there before the first layer runs, so that a graph can hold the rest.
    private void BeginStep(TokenBatch next, Targets targets)
    {
        Begin(next, training: true);
        Take(targets);
        walk.PickTopRows(FrozenLayers);
    }

    private void RunStep() => walk.Backward(walk.Forward(FrozenLayers));

    private HeadResult EndStep()
    {
        (Rows.Top, hidden, taken) = (default, null, null);
        return Model.Head.Result(Pass);
    }

    // Those that are there already stay; only the factor of their gradient may be another.
    private void Take(Targets targets)
    {
        var isThere = targets.IsSameAs(taken);
        Resolve(targets);
        if (!isThere) Model.Head.Take(Pass);
        taken = targets;
    }

    private void Resolve(Targets targets) => targets.Resolve(Model, batch!, Rows, Pass.States.Head.Targets);
}
