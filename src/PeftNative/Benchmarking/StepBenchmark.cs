using System.Diagnostics;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Training;

namespace PeftNative.Benchmarking;

/// <summary>What a step benchmark runs: a Llama-shape model with random weights and one batch of random tokens.</summary>
public sealed record StepBenchmarkOptions
{
    /// <summary>Width of the residual stream.</summary>
    public int Hidden { get; init; } = 768;

    /// <summary>Number of layers.</summary>
    public int Layers { get; init; } = 12;

    /// <summary>Query heads.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>Key/value heads.</summary>
    public int KvHeads { get; init; } = 12;

    /// <summary>Width of the feed-forward blocks.</summary>
    public int FeedForward { get; init; } = 2048;

    /// <summary>Rows of the vocabulary.</summary>
    public int Vocabulary { get; init; } = 32000;

    /// <summary>Sequences.</summary>
    public int Batch { get; init; } = 2;

    /// <summary>Tokens per sequence.</summary>
    public int Sequence { get; init; } = 256;

    /// <summary>lora or full.</summary>
    public string Method { get; init; } = "lora";

    /// <summary>LoRA's rank.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>LoRA's alpha.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>Projections LoRA attaches to: letters of q, k, v, o, gate, up, down separated by commas, or all.</summary>
    public string Targets { get; init; } = "q,v";

    /// <summary>Timed steps.</summary>
    public int Steps { get; init; } = 7;

    /// <summary>Steps before them.</summary>
    public int Warmup { get; init; } = 2;
}

/// <summary>What a step benchmark measured.</summary>
/// <param name="Trainable">Trained values.</param>
/// <param name="StepMilliseconds">Median wall time of a step: forward, backward, update.</param>
/// <param name="TokensPerSecond">Tokens by the median.</param>
/// <param name="PeakResidentMegabytes">Largest resident set of the process, in MiB; 0 where the system does not tell.</param>
/// <param name="PeakDeviceMegabytes">Memory held from the backend by weights, steps, adapter and optimizer, in MiB.</param>
/// <param name="Loss">Loss of the last step.</param>
public sealed record StepBenchmarkResult(
    long Trainable, double StepMilliseconds, double TokensPerSecond, long PeakResidentMegabytes, long PeakDeviceMegabytes, double Loss);

/// <summary>Times whole training steps of a model made up on the spot, with the flags of the peers this project is measured against.</summary>
public static class StepBenchmark
{
    private static readonly Dictionary<string, string> Projections = new()
    {
        ["q"] = "q_proj", ["k"] = "k_proj", ["v"] = "v_proj", ["o"] = "o_proj", ["gate"] = "gate_proj", ["up"] = "up_proj", ["down"] = "down_proj",
    };

    /// <summary>Runs the steps on a backend.</summary>
    /// <exception cref="UsageException">An option makes no sense.</exception>
    public static StepBenchmarkResult Run(IBackend backend, StepBenchmarkOptions options)
    {
        using var model = ModelLoader.CreateRandom(backend, Config(options), seed: 1);
        using var adapter = AdapterConfig(options).Create(model, seed: 1, trainable: true, "default");
        using var optimizer = new AdamW(backend, adapter.Buffer, new AdamWOptions { WeightDecay = 0.01, MaxGradientNorm = 0 });
        using var pass = new Pass(model, adapter);
        if (options.Method != "full") model.PrepareWeights();
        var batch = RandomBatch(options);

        var times = new List<double>();
        var loss = 0.0;
        for (var i = 0; i < options.Warmup + options.Steps; i++)
        {
            var clock = Stopwatch.StartNew();
            optimizer.ZeroGradients();
            pass.Begin(batch, training: true);
            var targets = BatchTargets.PerToken(pass, batch, batch.Tokens);
            loss = model.TrainStep(pass, targets).LossSum * targets.GradientScale;
            optimizer.Step(1e-4, optimizer.GradientNorm());
            if (i >= options.Warmup) times.Add(clock.Elapsed.TotalMilliseconds);
        }
        times.Sort();
        var median = times[times.Count / 2];
        var held = model.WeightBytes + pass.Arena.Reserved + 4L * adapter.Buffer.Values.Count * sizeof(float);
        return new StepBenchmarkResult(adapter.ParameterCount, median, batch.Tokens.Length * 1000.0 / median, PeakResident(), held >> 20, loss);
    }

    private static TransformerConfig Config(StepBenchmarkOptions o)
    {
        if (o.Hidden % o.Heads != 0 || o.Heads % o.KvHeads != 0 || o.Hidden / o.Heads % 2 != 0)
            throw new UsageException($"hidden {o.Hidden}, heads {o.Heads} and kv-heads {o.KvHeads} do not divide into even heads.");
        var headDim = o.Hidden / o.Heads;
        return new TransformerConfig
        {
            ModelType = "llama", Task = ModelTask.CausalLm, HiddenSize = o.Hidden, LayerCount = o.Layers, HeadCount = o.Heads,
            KvHeadCount = o.KvHeads, HeadDim = headDim, FeedForwardSize = o.FeedForward, VocabularySize = o.Vocabulary,
            MaxPositions = o.Sequence, Norm = NormKind.RmsNorm, NormEpsilon = 1e-6, NormPlacement = NormPlacement.Before,
            Activation = Activation.Silu, Gated = true, Causal = true, AttentionScale = 1 / Math.Sqrt(headDim),
            Rope = new RopeSettings { Theta = 10000, RotaryDim = headDim },
        };
    }

    private static AdapterConfig AdapterConfig(StepBenchmarkOptions options)
    {
        if (options.Method == "full") return new FullConfig();
        if (options.Method != "lora") throw new UsageException($"The step benchmark knows the methods lora and full, not '{options.Method}'.");
        IEnumerable<string> letters = options.Targets == "all" ? Projections.Keys : options.Targets.Split(',');
        return new LoraConfig { R = options.Rank, Alpha = options.Alpha, Targets = TargetModules.Of([.. letters.Select(Projection)]) };
    }

    private static string Projection(string letter) => Projections.TryGetValue(letter, out var name) ? name
        : throw new UsageException($"'{letter}' is not a projection.", "--targets", $"Known: {string.Join(",", Projections.Keys)}, or all.");

    private static TokenBatch RandomBatch(StepBenchmarkOptions options)
    {
        var random = new RandomStream(1, RandomPurpose.SyntheticData);
        int[] tokens = [.. Enumerable.Range(0, options.Batch * options.Sequence).Select(i => random.Below(options.Vocabulary, (ulong)i))];
        return new TokenBatch(tokens, [.. Enumerable.Range(0, options.Batch + 1).Select(s => s * options.Sequence)]);
    }

    private static long PeakResident()
    {
        const string Field = "VmHWM:";
        if (!File.Exists("/proc/self/status")) return Process.GetCurrentProcess().PeakWorkingSet64 >> 20;
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(Field, StringComparison.Ordinal));
        return long.Parse(line[Field.Length..].Trim().Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture) >> 10;
    }
}
