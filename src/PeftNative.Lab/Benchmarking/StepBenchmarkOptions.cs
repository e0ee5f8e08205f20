using System.Text.Json.Nodes;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Quantization;

namespace PeftNative.Lab.Benchmarking;

/// <summary>
/// What a step benchmark runs: a Llama-shape model with random weights and one batch of random tokens.
/// </summary>
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

    /// <summary>The name of the method; see <see cref="Methods"/>.</summary>
    public string Method { get; init; } = "lora";

    /// <summary>The rank, of a method that has one.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Its alpha.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>
    /// Projections that a method with a rank attaches to: letters of q, k, v, o, gate, up, down separated by commas, or
    /// all.
    /// </summary>
    public string Targets { get; init; } = "q,v";

    /// <summary>Virtual tokens, of a method that has some.</summary>
    public int VirtualTokens { get; init; } = 20;

    /// <summary>How the frozen linear layers are quantised; null to keep them in the backend's type.</summary>
    public QuantizationOptions? Quantization { get; init; }

    /// <summary>Bytes that activations should stay within, or null; see <see cref="StepMemory.Budget"/>.</summary>
    public long? MemoryBudgetBytes { get; init; }

    /// <summary>
    /// Whether steps are replayed as a graph of the device; see <see cref="Training.Loop.TrainerOptions.UseGraphs"/>.
    /// </summary>
    public bool UseGraphs { get; init; } = true;

    /// <summary>Timed steps.</summary>
    public int Steps { get; init; } = 7;

    /// <summary>Steps before them.</summary>
    public int Warmup { get; init; } = 2;

    private const string Family = "llama";

    private static readonly Dictionary<string, Func<ModuleNames, string>> Projections = new()
    {
        ["q"] = n => n.Query, ["k"] = n => n.Key, ["v"] = n => n.Value, ["o"] = n => n.AttentionOutput,
        ["gate"] = n => n.Gate!, ["up"] = n => n.Up, ["down"] = n => n.Down,
    };

    /// <summary>The model as a config.json would describe it.</summary>
    /// <exception cref="UsageException">The sizes do not fit each other.</exception>
    internal TransformerConfig ModelConfig()
    {
        if (Hidden % Heads != 0 || Heads % KvHeads != 0 || Hidden / Heads % 2 != 0)
            throw new UsageException(
                $"hidden {Hidden}, heads {Heads} and kv-heads {KvHeads} do not divide into even heads.");
        var headDim = Hidden / Heads;
        return new TransformerConfig
        {
            ModelType = Family, Task = ModelTask.CausalLM, HiddenSize = Hidden, HeadCount = Heads,
            KvHeadCount = KvHeads, HeadDim = headDim, FeedForwardSize = FeedForward, VocabularySize = Vocabulary,
            MaxPositions = Sequence + VirtualTokens, Norm = NormKind.RmsNorm, NormEpsilon = 1e-6,
            NormPlacement = NormPlacement.Before,
            Activation = Activation.Silu, Gated = true, Causal = true,
            Layers = new LayerPlan
            {
                Rope = new RopeSettings { Theta = 10000, RotaryDim = headDim }, AttentionScale = 1 / Math.Sqrt(headDim),
            }.Times(Layers),
        };
    }

    /// <summary>What is trained: the method's usual settings, with those above that it has.</summary>
    /// <param name="hasTargets">Whether the projections count; else those that the model's family is usually adapted
    /// at.</param>
    /// <exception cref="UsageException">Method or targets are unknown.</exception>
    internal AdapterConfig AdapterConfig(bool hasTargets = true)
    {
        var method = Methods.Find(Method);
        var given = (JsonObject)(method.Presets.FirstOrDefault(p => p.Name == Method)?.Settings ?? []).DeepClone();
        var keys = method.AskedKeys.Select(k => k.Name).ToHashSet();
        if (keys.Contains("r"))
            (given["r"], given["lora_alpha"]) = (Rank, Alpha);
        if (keys.Contains("r") && hasTargets)
            given["target_modules"] = new JsonArray([.. Letters().Select(l => (JsonNode)Projection(l))]);
        if (keys.Contains("num_virtual_tokens")) given["num_virtual_tokens"] = VirtualTokens;
        return method.FromSettings(given, baseModel: null);
    }

    private IEnumerable<string> Letters() => Targets == "all" ? Projections.Keys : Targets.Split(',');

    private static string Projection(string letter) => Projections.TryGetValue(letter, out var name)
        ? name(FamilyTable.Find(Family, nameof(StepBenchmark)).Names)
        : throw new UsageException($"'{letter}' is not a projection.", "--targets",
            $"Known: {string.Join(",", Projections.Keys)}, or all.");
}
