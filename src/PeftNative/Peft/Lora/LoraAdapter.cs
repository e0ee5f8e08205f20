using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>A low-rank pair: A [r, in], B [out, r], and the factor on their product.</summary>
internal sealed record LoraPair(Parameter A, Parameter B, double Scale);

/// <summary>
/// LoRA: y = W x + scale · B A x at chosen linear layers and at the token embedding, with everything PEFT's everyday settings add.
/// Used by one thread at a time, like its backend.
/// </summary>
public sealed class LoraAdapter : Adapter
{
    private readonly LoraLinear?[] linears;
    private readonly LoraEmbedding? embedding;

    internal LoraAdapter(TransformerModel model, LoraConfig config, ulong seed, bool trainable, string name)
        : base(model, Describe(model, config), name)
    {
        linears = new LoraLinear?[model.Linears.Count];
        foreach (var module in Matched(model, config))
        {
            if (module.Linear is { } site) linears[site.Index] = NewLinear(site, config);
            else embedding = NewEmbedding(model.Embedding, config);
        }
        ReplaceModules(config.ModulesToSave ?? []);
        ReplaceBiases(config.Bias);
        Allocate(trainable);
        Initialize(config.Initialization, seed);
    }

    /// <summary>Multiplies every low-rank scale; 1 unless a caller weighs the adapter.</summary>
    public double Weight { get; set; } = 1;

    /// <summary>Attached linear layers.</summary>
    public IEnumerable<LinearSite> Targets => linears.OfType<LoraLinear>().Select(l => l.Site);

    /// <summary>Its settings.</summary>
    public LoraConfig LoraConfig => (LoraConfig)Config;

    /// <summary>The low-rank pairs by module, in the order of the model.</summary>
    internal IReadOnlyDictionary<string, LoraPair> Pairs
    {
        get
        {
            var pairs = linears.OfType<LoraLinear>().ToDictionary(l => l.Site.Path, l => new LoraPair(l.A, l.B, l.Scale));
            if (embedding is not null) pairs[Model.Embedding.Path] = embedding.Pair;
            return pairs;
        }
    }

    /// <summary>DoRA's magnitudes by module; empty without DoRA.</summary>
    internal IEnumerable<(string Module, Parameter Magnitude)> Magnitudes =>
        linears.OfType<LoraLinear>().Where(l => l.Magnitude is not null).Select(l => (l.Site.Path, l.Magnitude!));

    /// <inheritdoc/>
    public override ILinearAttachment? AtLinear(int site) => linears[site];

    /// <inheritdoc/>
    public override IEmbeddingAttachment? AtEmbedding => embedding;

    /// <inheritdoc/>
    protected override bool IsIdle => Pairs.Values.All(p => IsZero(p.A) || IsZero(p.B)) && linears.All(l => l?.HasMagnitudesOfBase(Model.Backend) ?? true);

    /// <inheritdoc/>
    protected override void MergeWeights()
    {
        foreach (var linear in linears.OfType<LoraLinear>()) linear.Merge(Model.Backend);
        embedding?.Merge(Model, +1);
    }

    /// <inheritdoc/>
    protected override void UnmergeWeights()
    {
        foreach (var linear in linears.OfType<LoraLinear>()) linear.Unmerge(Model.Backend);
        embedding?.Merge(Model, -1);
    }

    // What is saved says how the targets were found: all-linear as the list it stands for, fan_in_fan_out as it really is.
    private static LoraConfig Describe(TransformerModel model, LoraConfig config)
    {
        var matched = Matched(model, config);
        if (config.UseDora && matched.Any(m => m.Linear is null))
            throw new UsageException("DoRA on an embedding is not supported.", remedy: "Leave the embedding out of target_modules.");
        return config with
        {
            FanInFanOut = matched.Any(m => m.Kind == ModuleKind.Conv1D),
            Targets = config.Targets!.IsAllLinear ? TargetModules.Of(MinimalNames.Of(model, matched)) : config.Targets,
        };
    }

    private static IReadOnlyList<ModuleInfo> Matched(TransformerModel model, LoraConfig config) => new TargetMatcher
    {
        Targets = config.Targets!, Exclude = config.Exclude, ModulesToSave = config.ModulesToSave ?? [],
        Layers = config.Layers, LayersPattern = config.LayersPattern,
    }.Match(model, m => m.Linear is not null || m.Path == model.Embedding.Path);

    private LoraLinear NewLinear(LinearSite site, LoraConfig config)
    {
        if (site.Weight.TiedTo is { } tied)
            throw new UsageException($"{site.Path} is tied to {tied.Name}; LoRA on a tied head is not supported.",
                remedy: "Leave it out of target_modules.");
        var r = config.RankOf(site.Path);
        return new LoraLinear(this, site, config)
        {
            A = Add(site, "lora_A", ".weight", r, site.In, StoredLayout.Matrix),
            B = Add(site, "lora_B", ".weight", site.Out, r, StoredLayout.Matrix),
            Magnitude = config.UseDora ? Add(site, "lora_magnitude_vector", ".weight", 1, site.Out, StoredLayout.Vector, keySuffix: "") : null,
        };
    }

    private Parameter Add(LinearSite site, string part, string suffix, int rows, int columns, StoredLayout layout, string? keySuffix = null) =>
        Add(new Parameter($"{site.Path}.{part}", rows, columns, layout) { Depth = site.Depth },
            $"base_model.model.{site.Path}.{part}{keySuffix ?? suffix}", $"base_model.model.{site.Path}.{part}.{Name}{suffix}");

    private LoraEmbedding NewEmbedding(EmbeddingSite site, LoraConfig config)
    {
        Parameter Part(string part, int rows, int columns) => Add(
            new Parameter($"{site.Path}.{part}", rows, columns, StoredLayout.Matrix) { Depth = -1 },
            $"base_model.model.{site.Path}.{part}", $"base_model.model.{site.Path}.{part}.{Name}");
        var r = config.RankOf(site.Path);
        return new LoraEmbedding(this, config.ScaleOf(site.Path),
            Part("lora_embedding_A", r, site.Table.Rows), Part("lora_embedding_B", site.Table.Columns, r));
    }

    private void ReplaceBiases(BiasTraining training)
    {
        if (training == BiasTraining.None) return;
        var targeted = linears.OfType<LoraLinear>().Select(l => l.Site.Bias).OfType<Parameter>().ToHashSet();
        foreach (var parameter in Model.Parameters.Where(p => p.Name.EndsWith(".bias", StringComparison.Ordinal)))
        {
            var isTarget = targeted.Contains(parameter);
            if (!isTarget && training == BiasTraining.LoraOnly) continue;
            var name = $"base_model.model.{parameter.Module}{(isTarget ? ".base_layer" : "")}.bias";
            Replace(parameter, name, name, inPlace: true);
        }
    }

    private void Initialize(LoraInitialization kind, ulong seed)
    {
        for (var i = 0; i < Entries.Count; i++)
        {
            var p = Entries[i].Parameter;
            var random = new RandomStream(seed, RandomPurpose.AdapterInitialization, (ulong)i);
            var values = new float[p.Count];
            if (p.Name.EndsWith(".lora_A", StringComparison.Ordinal))
            {
                if (kind == LoraInitialization.Gaussian) random.FillNormal(values, 0, 1.0 / p.Rows);
                else Uniform(random, values, p.Columns);
            }
            else if (p.Name.EndsWith(".lora_B", StringComparison.Ordinal) && kind == LoraInitialization.Random) Uniform(random, values, p.Columns);
            else if (p.Name.EndsWith(".lora_embedding_B", StringComparison.Ordinal)) random.FillNormal(values);
            else continue;
            HostValues.Upload(Model.Backend, values, p.Value);
        }
        foreach (var linear in linears) linear?.InitializeMagnitude(Model.Backend);
    }

    // Kaiming uniform with a = √5 comes down to ± 1/√(fan in).
    private static void Uniform(RandomStream random, float[] values, int fanIn)
    {
        var bound = 1 / MathF.Sqrt(fanIn);
        random.FillUniform(values, -bound, bound);
    }
}
