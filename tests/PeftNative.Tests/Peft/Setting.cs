using PeftNative.Backends.Reference;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;
using PeftNative.Tests.Models;

namespace PeftNative.Tests.Peft;

/// <summary>A tiny model with adapters.</summary>
internal sealed class Setting : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly List<Adapter> adapters = [];

    internal Setting(string family, params string[] methods) : this(family, TaskOf(family), methods)
    {
    }

    internal Setting(string family, ModelTask task, params string[] methods)
    {
        Model = TinyModels.Create(backend, family, task, task == ModelTask.SequenceClassification
            ? ProblemType.SingleLabel : null);
        Run = new ModelRun(Model);
        foreach (var method in methods) Add(Variants.All[method]);
    }

    private static ModelTask TaskOf(string family) =>
        family.StartsWith("t5", StringComparison.Ordinal)
        ? ModelTask.SequenceToSequence : ModelTask.SequenceClassification;

    internal TransformerModel Model { get; }

    internal ModelRun Run { get; }

    /// <summary>The first adapter.</summary>
    internal Adapter Adapter => adapters[0];

    internal IReadOnlyList<Adapter> Adapters => adapters;

    /// <summary>Adds an adapter of its own seed.</summary>
    internal Adapter Add(AdapterConfig config)
    {
        adapters.Add(config.Create(Model, seed: 4 + (ulong)adapters.Count, trainable: true,
            $"adapter{adapters.Count}"));
        return adapters[^1];
    }

    /// <summary>Moves every trained number a little, so that nothing is as it began.</summary>
    internal void Disturb()
    {
        foreach (var adapter in adapters)
        {
            var values = HostValues.Download(backend, adapter.Buffer.Values);
            var random = new RandomStream(77, RandomPurpose.Test, (ulong)values.Length);
            for (var i = 0; i < values.Length; i++) values[i] += 0.2f * (float)random.Normal((ulong)i);
            HostValues.Upload(backend, values, adapter.Buffer.Values);
        }
    }

    /// <summary>
    /// The scores of the three sequences of <see cref="TinyModels.Batch"/>; of a causal model those of every token.
    /// </summary>
    internal float[] Scores(params IReadOnlyList<AttachmentSet> attachments)
    {
        Run.Adapters = attachments;
        Run.Forward(TinyModels.Batch(Model));
        return Scores(Run);
    }

    internal static float[] Scores(ModelRun run) => HostValues.Download(run.Model.Backend, run.Scores());

    public void Dispose()
    {
        Run.Dispose();
        adapters.ForEach(a => a.Dispose());
        Model.Dispose();
        backend.Dispose();
    }
}
