using System.Text;
using PeftNative.Determinism;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using PeftNative.Training.Optimization;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Short trainings that must give the same bits whenever they are repeated, with every method; shared by the tests of
/// all backends.
/// </summary>
internal static class TrainedBits
{
    private static readonly Dictionary<string, AdapterConfig> More = new()
    {
        ["lora with dropout"] = new LoraConfig { R = 3, Dropout = 0.3 }, ["full"] = new FullConfig(),
        ["head"] = new HeadConfig(),
    };

    /// <summary>All methods by name.</summary>
    internal static IEnumerable<string> Methods => Variants.All.Keys.Concat(More.Keys);

    /// <summary>Models wide enough that work is really shared out.</summary>
    internal static readonly Dictionary<string, string> Wide = new()
    {
        ["gpt2"] =
            """
            {"model_type": "gpt2", "n_embd": 60, "n_head": 3, "n_layer": 2, "vocab_size": 211, "n_positions": 40,
             "initializer_range": 0.2}
            """,
        ["llama"] = """
            {"model_type": "llama", "hidden_size": 72, "num_attention_heads": 4, "num_key_value_heads": 2,
             "intermediate_size": 101,
             "num_hidden_layers": 2, "vocab_size": 211, "max_position_embeddings": 64, "attention_bias": true,
             "initializer_range": 0.2}
            """,
        ["bert"] = """
            {"model_type": "bert", "hidden_size": 60, "num_attention_heads": 3, "intermediate_size": 111,
             "num_hidden_layers": 2,
             "vocab_size": 211, "max_position_embeddings": 40, "type_vocab_size": 2, "initializer_range": 0.2}
            """,
    };

    /// <summary>A model for backends that are slow.</summary>
    internal const string Toy = """
        {"model_type": "llama", "hidden_size": 10, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6,
         "intermediate_size": 13,
         "num_hidden_layers": 2, "vocab_size": 37, "max_position_embeddings": 32, "attention_bias": true,
         "initializer_range": 0.3}
        """;

    /// <summary>All trained numbers after some steps, the losses behind them.</summary>
    /// <param name="backend">Computes.</param>
    /// <param name="config">The model.</param>
    /// <param name="method">What is trained.</param>
    /// <param name="steps">How many steps.</param>
    /// <param name="length">Tokens of each sequence.</param>
    /// <param name="withGraphs">Whether the backend has to replay every step from the third on.</param>
    internal static float[] Of(IBackend backend, string config, string method, int steps = 3, int length = 29,
        bool withGraphs = false)
    {
        var read = FamilyTable.Read(StrictJson.ParseObject(Encoding.UTF8.GetBytes(config)));
        using var model = ModelLoader.CreateRandom(backend, read with
        {
            Task = ModelTask.SequenceClassification, ProblemType = ProblemType.SingleLabel, Labels = ["a", "b", "c"],
        }, seed: 7);
        using var adapter = (Variants.All.GetValueOrDefault(method)
            ?? More[method]).Create(model, seed: 4, trainable: true, "default");
        using var optimizer = new AdamW(backend, adapter.Buffer, new AdamWOptions());
        using var run = new ModelRun(model, adapter) { Seed = 9, Graphs = { IsOn = withGraphs } };
        var losses = new List<float>();
        for (var step = 0; step < steps; step++)
        {
            run.Step = (ulong)step;
            optimizer.ZeroGradients();
            losses.Add((float)run.Train(Batch(step, length, model.Config.VocabularySize),
                Targets.PerSequence([0, 1, 2, 1, 0])).LossSum);
            optimizer.Step(1e-2, optimizer.GradientNorm());
        }
        if (withGraphs && run.Graphs.Replayed != steps - 2)
            throw new InvalidOperationException(
                $"{run.Graphs.Replayed} of {steps} steps were replayed: {run.Graphs.Problem}");
        return [.. HostValues.Download(backend, adapter.Buffer.Values), .. losses];
    }

    private static TokenBatch Batch(int step, int length, int vocabulary)
    {
        const int Sequences = 5;
        var random = new RandomStream(3, RandomPurpose.Test, (ulong)step);
        int[] tokens = [.. Enumerable.Range(0, Sequences * length).Select(i => random.Below(vocabulary, (ulong)i))];
        return new TokenBatch(tokens, [.. Enumerable.Range(0, Sequences + 1).Select(s => s * length)]);
    }
}
