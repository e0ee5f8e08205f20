using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Matching;
using PeftNative.Tensors;

namespace PeftNative.Peft.Ia3;

/// <summary>
/// IA3: a trained vector l per target, <c>y = W (l ⊙ x) + b</c> in the feed-forward block and <c>y = l ⊙ (W x + b)</c>
/// elsewhere. Used by one thread at a time, like its backend.
/// </summary>
public sealed class Ia3Adapter : Adapter
{
    /// <summary>The vector in files.</summary>
    internal const string Part = "ia3_l";

    private readonly Ia3Linear?[] linears;

    internal Ia3Adapter(TransformerModel model, Ia3Config config, AdapterStart start)
        : base(model, Describe(model, config), start.Name)
    {
        linears = new Ia3Linear?[model.Linears.Count];
        foreach (var module in Matched(model, config)) linears[module.Linear!.Index] = NewLinear(module.Linear, config);
        DoubtNames(Matcher(config));
        ReplaceModules(config.ModulesToSave ?? []);
        Allocate(start.IsTrainable);
        Initialize(config.StartsAtOne, start.Seed);
    }

    /// <inheritdoc/>
    public override ILinearAttachment? AtLinear(int site) => linears[site];

    /// <inheritdoc/>
    protected override bool IsIdle => linears.OfType<Ia3Linear>().All(l => l.IsOne(Model.Backend));

    /// <inheritdoc/>
    protected override void MergeWeights()
    {
        foreach (var linear in linears.OfType<Ia3Linear>())
        {
            Model.Expand(linear.Site.Weight);
            linear.Merge(Model.Backend);
        }
    }

    /// <inheritdoc/>
    protected override void UnmergeWeights()
    {
        if (linears.OfType<Ia3Linear>().FirstOrDefault(l => !l.IsInvertible(Model.Backend)) is { } stuck)
            throw new UsageException($"{stuck.Site.Path} was scaled by zero and cannot be scaled back.",
                remedy: "Load the base model again.");
        foreach (var linear in linears.OfType<Ia3Linear>()) linear.Unmerge(Model.Backend);
    }

    private static Ia3Config Describe(TransformerModel model, Ia3Config config)
    {
        var matched = Matched(model, config);
        return config.ToStored([.. matched.Select(m => m.Path)]) with
        {
            FanInFanOut = matched.Any(m => m.Kind == ModuleKind.Conv1D),
        };
    }

    private static IReadOnlyList<ModuleInfo> Matched(TransformerModel model, Ia3Config config) =>
        Matcher(config).Match(model, m => m.Linear is not null);

    private static TargetMatcher Matcher(Ia3Config config) => new()
    {
        Targets = config.Targets!, Exclude = config.Exclude, ModulesToSave = config.ModulesToSave ?? [],
    };

    private Ia3Linear NewLinear(LinearSite site, Ia3Config config)
    {
        var isInput = config.IsFeedForward(site.Path);
        var vector = new Parameter($"{site.Path}.{Part}", 1, isInput
            ? site.In : site.Out, isInput ? StoredLayout.Matrix : StoredLayout.Column)
        {
            Depth = site.Depth,
        };
        var key = $"base_model.model.{site.Path}.{Part}";
        return new Ia3Linear(site, Add(vector, key, $"{key}.{Name}"), isInput);
    }

    private void Initialize(bool startsAtOne, ulong seed)
    {
        for (var i = 0; i < Entries.Count; i++)
        {
            var parameter = Entries[i].Parameter;
            if (!parameter.Name.EndsWith($".{Part}", StringComparison.Ordinal)) continue;
            var values = new float[parameter.Count];
            if (startsAtOne) values.AsSpan().Fill(1);
            else new RandomStream(seed, RandomPurpose.AdapterInitialization, (ulong)i).FillNormal(values);
            HostValues.Upload(Model.Backend, values, parameter.Value);
        }
    }
}
