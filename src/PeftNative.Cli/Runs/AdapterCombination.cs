using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;

namespace PeftNative.Cli.Runs;

/// <summary>Makes one adapter of several, for <c>merge --combination_type</c>.</summary>
internal static class AdapterCombination
{
    private const string Group = "One adapter of several (LoRA), instead of a model";

    public static readonly Setting Type = new("combination_type", SettingKind.Text,
        "How, in PEFT's words; the output is an adapter then.")
    {
        Choices = WeightedMergeOptions.Types,
        ValueName = "TYPE", Group = Group,
    };

    private static readonly Setting Density = new("density", SettingKind.Number,
        "Share of the values that ties, dare and magnitude_prune keep.")
    {
        Default = "1", Least = 0, Most = 1, Group = Group,
    };

    private static readonly Setting SvdRank = new("svd_rank", SettingKind.Whole,
        "Rank of the result of the types with svd; the largest of the adapters if not given.")
    {
        Least = 1, Most = 1 << 16, Group = Group,
    };

    private static readonly Setting Sign = new("majority_sign_method", SettingKind.Text, "What decides a sign in ties.")
    {
        Default = "total", Choices = ["total", "frequency"], Group = Group,
    };

    public static readonly Setting[] Settings = [Type, Density, SvdRank, Sign];

    /// <summary>Combines what --adapter names, each with its weight, and writes the adapter's folder.</summary>
    public static void Run(SettingValues values, string output, Terminal terminal)
    {
        var (folder, sources) = (values.Text(Shared.Model), ModelSession.AdapterSources(values));
        var (rule, usesSvd) = WeightedMergeOptions.Parse(values.Text(Type));
        values.Refuse(Unused(rule, usesSvd), $"with --combination_type {values.Text(Type)}", "choose another type");
        var options = new WeightedMergeOptions
        {
            Rule = rule, UsesSvd = usesSvd, Density = values.Number(Density),
            SvdRank = values.Has(SvdRank) ? values.Int(SvdRank) : null,
            SignMethod = values.Text(Sign) == "frequency"
                ? SignMethod.Frequency : SignMethod.Total, Seed = (ulong)values.Whole(Shared.Seed),
        };
        using var backend = Machine.CreateBackend(values, DType.Float32);
        var fitting = AdapterLabels.OptionsFor([.. sources.Select(s => s.Folder)], folder);
        var (model, loaded) = ModelLoader.Load(backend, folder, fitting, cancellation: terminal.Cancellation);
        using var owner = model;
        foreach (var doubt in loaded.Doubts) terminal.Warn(doubt);
        var adapters = new List<Adapter>();
        try
        {
            foreach (var source in sources) adapters.Add(Load(model, source, adapters.Count));
            foreach (var (adapter, source) in adapters.Zip(sources))
                foreach (var doubt in AdapterFolder.Doubts(adapter, source.Folder)) terminal.Warn(doubt);
            using var combined = adapters[0].Config.Method.Combine!(adapters, [.. sources.Select(s => s.Scale)],
                options, "combined");
            var rank = combined.Config.Method.Settings(combined.Config)["r"];
            AdapterFolder.Save(combined, output);
            var parts = sources.Select(s => $"{s.Folder} ({Quantity.Number(s.Scale)})");
            terminal.Line($"{output}: {values.Text(Type)} of {string.Join(", ", parts)}, r {rank}");
            terminal.Object(new JsonObject
            {
                ["output"] = output, ["combination_type"] = values.Text(Type), ["r"] = rank?.DeepClone(),
                ["adapters"] = JsonLines.List(sources.Select(s => s.Folder)), ["parameters"] = combined.ParameterCount,
            });
        }
        finally
        {
            adapters.ForEach(a => a.Dispose());
        }
    }

    private static IEnumerable<Setting> Unused(CombinationRule rule, bool usesSvd)
    {
        if (rule is CombinationRule.Linear or CombinationRule.Cat) yield return Density;
        if (rule is not (CombinationRule.Ties or CombinationRule.DareTies)) yield return Sign;
        if (!usesSvd) yield return SvdRank;
    }

    // The scale is the adapter's weight in the sum, so it must not be in its values already.
    private static Adapter Load(TransformerModel model, AdapterSource source, int number)
    {
        var adapter = AdapterFolder.Load(model, source.Folder, name: $"adapter{number}");
        if (adapter.Config.Method.Combine is not null) return adapter;
        adapter.Dispose();
        var able = string.Join(" and ", Methods.All.Where(m => m.Combine is not null).Select(m => m.Title));
        throw new UsageException($"Only {able} adapters can be combined, not {adapter.Config.PeftType}.", source.Folder,
            "Name several adapters when generating instead, or merge without --combination_type.");
    }
}
