using System.Globalization;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Tokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>A low-rank pair: A [r, in], B [out, r], and the factor on their product.</summary>
internal sealed record LoraPair(Parameter A, Parameter B, double Scale);

/// <summary>
/// LoRA: y = W x + scale · B A x at chosen linear layers and at the token embedding, with everything PEFT's everyday
/// settings add. Used by one thread at a time, like its backend.
/// </summary>
public sealed class LoraAdapter : Adapter
{
    /// <summary>DoRA's magnitudes in files.</summary>
    internal const string DoraPart = "lora_magnitude_vector";

    /// <summary>The bias of B in files.</summary>
    internal const string BiasPart = "lora_B.bias";

    private readonly LoraLinear?[] linears;
    private readonly LoraEmbedding? embedding;
    private readonly TiedPair? tied;
    private readonly TrainedTokens? tokens;
    private readonly bool isBypassed; // the embedding
    private readonly List<AdapterEntry> shared = [];

    internal LoraAdapter(TransformerModel model, LoraConfig config, AdapterStart start)
        : base(model, Describe(model, config), start.Name)
    {
        linears = new LoraLinear?[model.Linears.Count];
        var (tie, head) = (WeightTying.Acts(model, config), model.Head.Output);
        foreach (var module in Matched(model, config))
        {
            if (module.Linear is { } site && !(tie && site == head))
                linears[site.Index] = NewLinear(site, config, site.Path);
            else embedding ??= NewEmbedding(model.Embedding, config);
        }
        isBypassed = embedding is not null && IsBypassed(model.Embedding.Path);
        if (tie && embedding is not null) linears[head!.Index] = NewLinear(head, config, model.Embedding.Path);
        DoubtNames(Matcher(config));
        DoubtNames("rank_pattern", config.RankPattern.Select(p => p.Pattern), IsAdapted, NotAdapted);
        DoubtNames("alpha_pattern", config.AlphaPattern.Select(p => p.Pattern), IsAdapted, NotAdapted);
        ReplaceModules(config.ModulesToSave ?? []);
        if (tie) ShareEmbedding();
        if (SharedHead is { } copied)
            shared.Add(new AdapterEntry(Replacement(copied.Index)!, $"base_model.model.{copied.Name}", copied.Name,
                ReplacesInPlace: true));
        ReplaceBiases(config.Bias);
        tokens = TrainedTokens.For(model, config.TrainableTokens, config.EnsureWeightTying, AddRows);
        RequireFreeTokens();
        Allocate(start.IsTrainable);
        if (tie && embedding is not null)
            tied = new TiedPair(model.Backend, embedding.Pair, linears[head!.Index]!.Pair);
        Initialize(config.Initialization, start.Seed);
        if (tied is not null) Buffer.AroundStep = (tied.BeforeStep, tied.AfterStep);
        if (config.IsStored) DoubtPatterns(config);
    }

    /// <inheritdoc/>
    public override double Scale { get; set; } = 1;

    /// <summary>Attached linear layers.</summary>
    public IEnumerable<LinearSite> Targets => linears.OfType<LoraLinear>().Select(l => l.Site);

    /// <summary>Its settings.</summary>
    public LoraConfig LoraConfig => (LoraConfig)Config;

    /// <inheritdoc/>
    public override IReadOnlyList<AdapterEntry> StoredEntries => shared.Count == 0 ? Entries : [.. Entries, .. shared];

    /// <inheritdoc/>
    public override string Summary
    {
        get
        {
            var targets = LoraConfig.Targets!.Names is { } names
                ? string.Join(", ", names.Order(StringComparer.Ordinal)) : LoraConfig.Targets.Pattern;
            var saved = LoraConfig.ModulesToSave is { Count: > 0 } modules
                ? $", head {string.Join(", ", modules.Where(IsThere))}" : "";
            return string.Create(CultureInfo.InvariantCulture,
                $"r {LoraConfig.R}, lora_alpha {LoraConfig.Alpha:G4}, at {Targets.Count()} modules ({targets}){saved}");
        }
    }

    /// <summary>The low-rank pairs by module, in the order of the model.</summary>
    internal IReadOnlyDictionary<string, LoraPair> Pairs
    {
        get
        {
            var pairs = linears.OfType<LoraLinear>().ToDictionary(l => l.Site.Path, l => l.Pair);
            if (embedding is not null) pairs[Model.Embedding.Path] = embedding.Pair;
            return pairs;
        }
    }

    /// <summary>DoRA's magnitudes by linear layer; empty without DoRA.</summary>
    internal IEnumerable<(string Module, Parameter Magnitude)> Magnitudes =>
        linears.OfType<DoraLinear>().Select(l => (l.Site.Path, l.Magnitude));

    /// <inheritdoc/>
    public override IEnumerable<string> Doubts =>
        [.. base.Doubts, .. new[] { WeightTying.Doubt(Model, LoraConfig), BiasDoubt }.OfType<string>()];

    /// <inheritdoc/>
    internal override UsageException? MergeRefusal => BiasDoubt is { } doubt
        ? new($"The LORA adapter cannot be merged: {doubt}.", remedy: "Keep the adapter beside the base.") : null;

    private string? BiasDoubt => linears.FirstOrDefault(l => l is { Bias: not null, Site.Bias: null }) is { } linear
        ? $"its lora_bias has no place in the base, where {linear.Site.Path} has no bias" : null;

    /// <inheritdoc/>
    public override ILinearAttachment? AtLinear(int site) =>
        site == Model.Head.Output?.Index && tokens?.AtHead is { } head ? head : linears[site];

    /// <inheritdoc/>
    public override IEmbeddingAttachment? AtEmbedding =>
        tokens?.AtEmbedding is { } own ? own : isBypassed ? null : embedding;

    /// <inheritdoc/>
    internal override string? TwinOf(string name) => tokens?.TwinOf(name);

    /// <inheritdoc/>
    protected override bool IsIdle => Pairs.Values.All(p => IsZero(p.A) || IsZero(p.B))
        && linears.All(l => l?.IsPairAlone(Model.Backend) ?? true)
        && linears.All(l => l?.Bias is not { } bias || IsZero(bias))
        && (embedding?.Dora?.HasMagnitudesOfBase(embedding.Pair) ?? true) && (tokens?.AreTheBases ?? true);

    /// <inheritdoc/>
    protected override void MergeWeights()
    {
        foreach (var linear in Merged()) linear.Merge(Model.Backend);
        if (!isBypassed) embedding?.Merge(Model, withHead: tied is not null);
        tokens?.Merge();
    }

    /// <inheritdoc/>
    protected override void UnmergeWeights()
    {
        tokens?.Unmerge();
        foreach (var linear in Merged()) linear.Unmerge(Model.Backend);
        if (!isBypassed) embedding?.Unmerge(Model, withHead: tied is not null);
    }

    private bool IsThere(string module) => Model.Parameters.Any(p =>
        p.Module.EndsWith(module, StringComparison.Ordinal)
        || p.Module.Contains(module + ".", StringComparison.Ordinal));

    // A head that is still the embedding itself gets its change there.
    private IEnumerable<LoraLinear> Merged() =>
        linears.OfType<LoraLinear>().Where(l => tied is null || l.Site.Weight.TiedTo is null);

    /// <inheritdoc/>
    protected override void Free()
    {
        tokens?.Dispose();
        embedding?.Dispose();
        base.Free();
    }

    // What is saved says how the targets were found: all-linear as the list it stands for, fan_in_fan_out as it really
    // is.
    private static LoraConfig Describe(TransformerModel model, LoraConfig config)
    {
        var matched = Matched(model, config);
        if (config.UseDora && matched.Any(m => m.Linear is null) && WeightTying.Acts(model, config))
            throw new UsageException("DoRA and ensure_weight_tying do not go together on a tied embedding: "
                + "its magnitudes are by columns, those of the head by rows.", remedy: "Leave out one of the two.");
        if (config.UseBias && matched.Any(m => m.Linear is null
            || (m.Linear == model.Head.Output && WeightTying.Acts(model, config))))
            throw new UsageException("lora_bias cannot be had at an embedding, as in PEFT.",
                remedy: "Leave the embedding out of target_modules, or lora_bias away.");
        List<string> paths = [.. matched.Select(m => m.Path)];
        return config with
        {
            FanInFanOut = matched.Any(m => m.Kind == ModuleKind.Conv1D),
            Targets = config.Targets!.IsAllLinear ? TargetModules.Of(MinimalNames.Of(model, matched)) : config.Targets,
            RankPattern = LoraPatterns.WithoutOrder(config.RankPattern, paths),
            AlphaPattern = LoraPatterns.WithoutOrder(config.AlphaPattern, paths),
        };
    }

    private void DoubtPatterns(LoraConfig config)
    {
        // A wrong rank shows in the shapes of the file, so a doubt about ranks is told only where these do not fit. A
        // wrong alpha shows nowhere.
        List<string> paths = [.. Pairs.Keys];
        HintOfMisfit = LoraPatterns.Doubt("rank_pattern", config.RankPattern, paths);
        if (LoraPatterns.Doubt("alpha_pattern", config.AlphaPattern, paths) is { } doubt) Warn(doubt);
    }

    private const string NotAdapted = "which fits no module that is adapted";

    private bool IsAdapted(string pattern) => Pairs.Keys.Any(path => TargetMatcher.PatternApplies(pattern, path));

    private static IReadOnlyList<ModuleInfo> Matched(TransformerModel model, LoraConfig config) =>
        Matcher(config).Match(model, m => m.Linear is not null || m.Path == model.Embedding.Path);

    private static TargetMatcher Matcher(LoraConfig config) => new()
    {
        Targets = config.Targets!, Exclude = config.Exclude, ModulesToSave = config.ModulesToSave ?? [],
        Layers = config.Layers, LayersPattern = config.LayersPattern,
    };

    // Rank and scale are those of the path; a tied head's are its embedding's.
    private LoraLinear NewLinear(LinearSite site, LoraConfig config, string path)
    {
        var (r, scale) = (config.RankOf(path), config.ScaleOf(path));
        var a = Add(site, "lora_A", ".weight", r, site.In, StoredLayout.Matrix);
        var b = Add(site, "lora_B", ".weight", site.Out, r, StoredLayout.Matrix);
        return config.UseDora
            ? new DoraLinear(this, site, config, scale)
            {
                A = a, B = b,
                Magnitude = Add(site, DoraPart, ".weight", 1, site.Out, StoredLayout.Vector, keySuffix: ""),
            }
            : new LoraLinear(this, site, config, scale) { A = a, B = b, Bias = config.UseBias ? AddBias(site) : null };
    }

    private Parameter Add(LinearSite site, string part, string suffix, int rows, int columns, StoredLayout layout,
        string? keySuffix = null) =>
        Add(new Parameter($"{site.Path}.{part}", rows, columns, layout) { Depth = site.Depth },
            $"base_model.model.{site.Path}.{part}{keySuffix ?? suffix}",
            $"base_model.model.{site.Path}.{part}.{Name}{suffix}");

    private Parameter AddRows(string path, Parameter rows) =>
        Add(rows, TrainedTokens.KeyAt(path), $"{TrainedTokens.KeyAt(path)}.{Name}");

    private Parameter AddBias(LinearSite site) =>
        Add(new Parameter($"{site.Path}.{BiasPart}", 1, site.Out, StoredLayout.Vector) { Depth = site.Depth },
            $"base_model.model.{site.Path}.{BiasPart}", $"base_model.model.{site.Path}.lora_B.{Name}.bias");

    // What trained tokens stand in must be the base's: neither adapted otherwise nor trained whole.
    private void RequireFreeTokens()
    {
        var (table, head) = (Model.Embedding, Model.Head.Output);
        var other = tokens switch
        {
            { AtEmbedding: not null } when embedding is not null || IsReplaced(table.Table) => table.Path,
            { AtHead: not null } when head is not null && (linears[head.Index] is not null || IsReplaced(head.Weight))
                => head.Path,
            _ => null,
        };
        if (other is null) return;
        tokens!.Dispose();
        throw new UsageException($"{TokenIndices.Key} trains rows of {other}, which target_modules or modules_to_save "
            + "train as a whole.", remedy: "Leave out one of the two.");
    }

    private bool IsReplaced(Parameter parameter) => Replacement(parameter.Index) is not null;

    private LoraEmbedding NewEmbedding(EmbeddingSite site, LoraConfig config)
    {
        Parameter Part(string part, int rows, int columns) => Add(
            new Parameter($"{site.Path}.{part}", rows, columns, StoredLayout.Matrix) { Depth = -1 },
            $"base_model.model.{site.Path}.{part}", $"base_model.model.{site.Path}.{part}.{Name}");
        var r = config.RankOf(site.Path);
        var (a, b) = (Part("lora_embedding_A", r, site.Table.Rows), Part("lora_embedding_B", site.Table.Columns, r));
        var key = $"base_model.model.{site.Path}.{DoraPart}";
        var dora = !config.UseDora ? null : new DoraEmbedding(Model, Add(
            new Parameter($"{site.Path}.{DoraPart}", 1, site.Table.Columns, StoredLayout.Vector) { Depth = -1 },
            key, $"{key}.{Name}.weight"));
        return new LoraEmbedding(this, config.ScaleOf(site.Path), a, b, dora);
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
        if (!Config.IsStored && !Entries.Any(e => e.Key.EndsWith(".bias", StringComparison.Ordinal)))
            Warn($"bias trains nothing: {(training == BiasTraining.All ? $"this {Model.Config.ModelType} model has"
                : "the modules have")} no biases");
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
            else if (p.Name.EndsWith(".lora_B", StringComparison.Ordinal) && kind == LoraInitialization.Random)
                Uniform(random, values, p.Columns);
            else if (p.Name.EndsWith(BiasPart, StringComparison.Ordinal) && kind == LoraInitialization.Random)
                Uniform(random, values, Entries[i - 1].Parameter.Columns); // of its B
            else if (p.Name.EndsWith(".lora_embedding_B", StringComparison.Ordinal)) random.FillNormal(values);
            else continue;
            HostValues.Upload(Model.Backend, values, p.Value);
        }
        tied?.CopyToHead();
        tokens?.Initialize();
        foreach (var linear in linears) linear?.Initialize(Model.Backend);
        embedding?.Dora?.Initialize(embedding.Pair);
    }

    // Kaiming uniform with a = √5 comes down to ± 1/√(fan in).
    private static void Uniform(RandomStream random, float[] values, int fanIn)
    {
        var bound = 1 / MathF.Sqrt(fanIn);
        random.FillUniform(values, -bound, bound);
    }
}
