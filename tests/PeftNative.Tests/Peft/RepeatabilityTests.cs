using PeftNative.Backends;
using PeftNative.Determinism;
using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using PeftNative.Training;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Training is a function of its inputs: the same bits in every repetition, on every backend, and for any number of threads. The models are wide
/// enough that work is really shared out.
/// </summary>
public class RepeatabilityTests
{
    private const int Sequences = 5, Length = 29;

    private static readonly Dictionary<string, string> Configs = new()
    {
        ["gpt2"] = """{"model_type": "gpt2", "n_embd": 60, "n_head": 3, "n_layer": 2, "vocab_size": 211, "n_positions": 40, "initializer_range": 0.2}""",
        ["llama"] = """
            {"model_type": "llama", "hidden_size": 72, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 101,
             "num_hidden_layers": 2, "vocab_size": 211, "max_position_embeddings": 64, "attention_bias": true, "initializer_range": 0.2}
            """,
        ["bert"] = """
            {"model_type": "bert", "hidden_size": 60, "num_attention_heads": 3, "intermediate_size": 111, "num_hidden_layers": 2,
             "vocab_size": 211, "max_position_embeddings": 40, "type_vocab_size": 2, "initializer_range": 0.2}
            """,
    };

    private static readonly Dictionary<string, AdapterConfig> More = new()
    {
        ["lora with dropout"] = new LoraConfig { R = 3, Dropout = 0.3 }, ["full"] = new FullConfig(), ["head"] = new HeadConfig(),
    };

    public static TheoryData<string, string> Cases => new(
        from family in Configs.Keys from method in Methods.All.Keys.Concat(More.Keys) select (family, method));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Training_gives_the_same_bits_again_and_for_any_number_of_threads(string family, string method)
    {
        var backends = BackendFactory.Survey().Where(b => b.IsAvailable && b.Name is "cpu" or "reference").Select(b => b.Name).ToList();
        Assert.NotEmpty(backends);
        foreach (var name in backends)
        {
            var expected = Train(name, family, method, threads: 1);
            Assert.All(expected, value => Assert.True(float.IsFinite(value)));
            int[] others = name == "cpu" ? [1, 2, 3] : [1];
            foreach (var threads in others) Assert.Equal(expected, Train(name, family, method, threads));
        }
    }

    // All trained numbers after three steps, the losses behind them.
    private static float[] Train(string backendName, string family, string method, int threads)
    {
        using var backend = BackendFactory.Create(backendName, threads: threads);
        var config = ConfigReader.Read(StrictJson.ParseObject(System.Text.Encoding.UTF8.GetBytes(Configs[family]))) with
        {
            Task = ModelTask.SequenceClassification, ProblemType = ProblemType.SingleLabel, Labels = ["a", "b", "c"],
        };
        using var model = ModelLoader.CreateRandom(backend, config, seed: 7);
        using var adapter = (Methods.All.GetValueOrDefault(method) ?? More[method]).Create(model, seed: 4, trainable: true, "default");
        using var optimizer = new AdamW(backend, adapter.Buffer, new AdamWOptions());
        using var pass = new Pass(model, adapter) { Seed = 9 };
        if (method is not ("full" or "bitfit" or "top-layers")) model.PrepareWeights();
        var losses = new List<float>();
        for (var step = 0; step < 3; step++)
        {
            pass.Step = (ulong)step;
            optimizer.ZeroGradients();
            pass.Begin(Batch(step), training: true);
            losses.Add((float)model.TrainStep(pass, BatchTargets.PerSequence(pass, [0, 1, 2, 1, 0])).LossSum);
            optimizer.Step(1e-2, optimizer.GradientNorm());
        }
        return [.. HostValues.Download(backend, adapter.Buffer.Values), .. losses];
    }

    private static TokenBatch Batch(int step)
    {
        var random = new RandomStream(3, RandomPurpose.Test, (ulong)step);
        int[] tokens = [.. Enumerable.Range(0, Sequences * Length).Select(i => random.Below(211, (ulong)i))];
        return new TokenBatch(tokens, [.. Enumerable.Range(0, Sequences + 1).Select(s => s * Length)]);
    }
}
