using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Ia3;

/// <summary>IA3's settings under PEFT's names (Liu et al. 2022, arXiv:2205.05638).</summary>
public sealed record Ia3Config : AdapterConfig
{
    /// <inheritdoc/>
    public override Method Method => Ia3Method.Page;

    /// <summary>target_modules; null for the family's default.</summary>
    public TargetModules? Targets { get; init; }

    /// <summary>exclude_modules.</summary>
    public TargetModules? Exclude { get; init; }

    /// <summary>feedforward_modules: the targets that are scaled at the input; null for the family's default.</summary>
    public TargetModules? FeedForward { get; init; }

    /// <summary>
    /// init_ia3_weights: whether the vectors start at one, so that the adapter changes nothing at first; else normal,
    /// for tests.
    /// </summary>
    public bool StartsAtOne { get; init; } = true;

    /// <summary>fan_in_fan_out as the file says; corrected from the model on creation.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>
    /// Whether a module is scaled at its input. A name in a list may end anywhere, not only at a dot, as in PEFT.
    /// </summary>
    public bool IsFeedForward(string path) => FeedForward?.Names is { } names
        ? names.Any(n => path.EndsWith(n, StringComparison.Ordinal))
        : FeedForward?.Pattern is { } pattern && TargetMatcher.IsWhole(pattern, path, "feedforward_modules");

    /// <summary>
    /// The same settings as files can hold them, where feedforward_modules has to be a part of target_modules: the
    /// targets that are scaled at the input, by the names that target_modules has for them or, where these say too
    /// much, by their full names.
    /// </summary>
    internal Ia3Config ToStored(IReadOnlyList<string> paths)
    {
        var config = Targets!.IsAllLinear ? this with { Targets = TargetModules.Of(paths) } : this;
        if (config.Targets!.Names is not { } targets) return config;
        if (FeedForward?.Names is not { } inner || !inner.Except(targets).Any()) return config;
        config = config with { FeedForward = TargetModules.Of([.. targets.Where(IsFeedForward)]) };
        return paths.All(p => config.IsFeedForward(p) == IsFeedForward(p)) ? config : config with
        {
            Targets = TargetModules.Of(paths), FeedForward = TargetModules.Of([.. paths.Where(IsFeedForward)]),
        };
    }

    /// <inheritdoc/>
    public override Ia3Config Complete(TransformerModel model)
    {
        var defaults = model.Family.Targets.Of("ia3");
        if (defaults.Count == 0 && (Targets is null || FeedForward is null))
            throw new UsageException($"IA3 has no default target_modules for {model.Config.ModelType}.",
                remedy: "Give --target_modules and --feedforward_modules.");
        // A file may leave target_modules out; what is trained here has to be readable with both.
        var targets = Targets?.Names ?? (Targets is null && !IsStored ? defaults : null);
        if (targets is not null && FeedForward?.Names?.Except(targets).FirstOrDefault() is { } stray)
            throw new UsageException(
                $"feedforward_modules names '{stray}', which is not among target_modules {string.Join(',', targets)}.",
                remedy: "Add it to target_modules, or leave it out.");
        var saved = ModulesToSaveFor(model);
        return this with
        {
            Targets = Targets ?? TargetModules.Of(defaults),
            FeedForward = FeedForward ?? TargetModules.Of(model.Family.Targets.Of("ia3.feedforward_modules")),
            ModulesToSave = saved.Count > 0 ? saved : null,
            TaskType = TaskTypeFor(model),
        };
    }

    // So that reports say what was trained.
    /// <inheritdoc/>
    internal override Ia3Config WithTargets(TransformerModel model)
    {
        var whole = Complete(model);
        return this with { Targets = whole.Targets, FeedForward = whole.FeedForward };
    }
}
