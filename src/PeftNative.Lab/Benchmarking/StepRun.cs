using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;
using PeftNative.Training.Optimization;

namespace PeftNative.Lab.Benchmarking;

/// <summary>A training step that can be run again and again; several may share a model.</summary>
internal sealed class StepRun : IDisposable
{
    private const double LearningRate = 1e-4;

    private readonly TransformerModel model;
    private readonly TokenBatch batch;
    private readonly AdamW optimizer;
    private readonly ModelRun run;
    private readonly Targets targets;
    private readonly object[] names = []; // of the sequences

    /// <summary>Sets up a step.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="config">What is trained.</param>
    /// <param name="batch">The batch of every step.</param>
    /// <param name="labelEvery">One in so many tokens has a label: the last ones of every sequence.</param>
    /// <param name="memoryBudget">Bytes for activations, or null.</param>
    /// <param name="keepsFrozenLayers">Whether what frozen layers make of the batch is kept from step to step.</param>
    /// <param name="ownsModel">Whether nobody else uses the model, so that full fine-tuning need not keep its own
    /// values.</param>
    public StepRun(
        TransformerModel model, AdapterConfig config, TokenBatch batch, int labelEvery = 1, long? memoryBudget = null,
        bool ownsModel = false,
        bool keepsFrozenLayers = false)
    {
        (this.model, this.batch) = (model, batch);
        Adapter = config.Create(model, seed: 1, trainable: true, "default");
        if (ownsModel) Adapter.ReleaseBase();
        optimizer = new AdamW(model.Backend, Adapter.Buffer,
            new AdamWOptions { WeightDecay = 0.01, MaxGradientNorm = 0 });
        run = new ModelRun(model, Adapter) { Memory = { Budget = memoryBudget } };
        if (keepsFrozenLayers)
        {
            names = [.. Enumerable.Range(0, batch.SequenceCount).Select(_ => new object())];
            run.FrozenLayers = new FrozenLayerCache(model);
        }
        int[] labels = [.. batch.Tokens];
        for (var s = 0; s < batch.SequenceCount; s++)
            labels.AsSpan(batch.Offsets[s], batch.Length(s) - batch.Length(s) / labelEvery).Fill(Targets.Ignored);
        targets = Targets.PerToken(labels);
    }

    /// <summary>What is trained.</summary>
    public Adapter Adapter { get; }

    /// <summary>Tokens of a step.</summary>
    public int Tokens => batch.Tokens.Length;

    /// <summary>Loss of the latest step.</summary>
    public double Loss { get; private set; }

    /// <summary>Whether steps are replayed as a graph of the device, where the backend can.</summary>
    public bool UseGraphs
    {
        get => run.Graphs.IsOn;
        init => run.Graphs.IsOn = value;
    }

    /// <summary>Steps that were replayed as a graph.</summary>
    public long Replayed => run.Graphs.Replayed;

    /// <summary>The most memory the activations of a step have taken, in bytes.</summary>
    public long StepBytes => run.Memory.PeakBytes;

    /// <summary>Bytes held from the backend: weights, the step, adapter and optimizer.</summary>
    public long HeldBytes =>
        model.WeightBytes + run.Memory.Arena.Reserved + 4L * Adapter.Buffer.Values.Count * sizeof(float);

    /// <summary>Forward, backward and update.</summary>
    public void Step()
    {
        optimizer.ZeroGradients();
        run.FrozenLayers?.Select(names);
        Loss = run.Train(batch, targets).Loss;
        optimizer.Step(LearningRate, optimizer.GradientNorm());
    }

    /// <summary>What the model makes of the batch: the scores of every row.</summary>
    public float[] Scores()
    {
        run.Forward(batch);
        return HostValues.Download(model.Backend, run.Scores());
    }

    /// <summary>Gradients of the latest step.</summary>
    public float[] Gradients() => HostValues.Download(model.Backend, Adapter.Buffer.Gradients);

    /// <summary>Sequences of one length.</summary>
    public static TokenBatch RandomBatch(StepBenchmarkOptions options) =>
        RandomBatch(options.Vocabulary, [.. Enumerable.Repeat(options.Sequence, options.Batch)]);

    /// <summary>Sequences of given lengths.</summary>
    public static TokenBatch RandomBatch(int vocabulary, IReadOnlyList<int> lengths)
    {
        var random = new RandomStream(1, RandomPurpose.SyntheticData);
        int[] tokens = [.. Enumerable.Range(0, lengths.Sum()).Select(i => random.Below(vocabulary, (ulong)i))];
        var offsets = new int[lengths.Count + 1];
        for (var s = 0; s < lengths.Count; s++) offsets[s + 1] = offsets[s] + lengths[s];
        return new TokenBatch(tokens, offsets);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        run.FrozenLayers?.Dispose();
        run.Dispose();
        optimizer.Dispose();
        Adapter.Dispose();
    }
}
