using PeftNative.Models;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Lora;

/// <summary>
/// What ensure_weight_tying makes of a LoRA adapter, as PEFT 0.21 has it: it goes by the names embed_tokens and
/// lm_head. Of a tied pair so called, both follow one adapter where either is trained; elsewhere the option has no
/// effect.
/// </summary>
internal static class WeightTying
{
    private const string Embedding = "embed_tokens", Head = "lm_head";

    /// <summary>Whether the option is set and acts on a model.</summary>
    internal static bool Acts(TransformerModel model, LoraConfig config) => config.EnsureWeightTying
        && model.Head.Output?.Weight.TiedTo is not null && LastName(model.Embedding.Path) == Embedding
            && LastName(model.Head.Output!.Path) == Head;

    /// <summary>The settings with the names that PEFT writes: the embedding's path stands for both.</summary>
    /// <exception cref="UsageException">The head is named where the option does not act: what PEFT saves of that it
    /// cannot read back.</exception>
    internal static LoraConfig Complete(TransformerModel model, LoraConfig config)
    {
        if (!Acts(model, config))
        {
            var isTied = model.Head.Output?.Weight.TiedTo is not null;
            if (config.EnsureWeightTying && isTied
                && NamesHead(config.ModulesToSave) | NamesHead(config.Targets!.Names))
                throw new UsageException(
                    $"ensure_weight_tying has no effect on a {model.Config.ModelType} model, whose embedding is called "
                    + $"{model.Embedding.Path}.", remedy: "Leave it out; the head is then trained alone.");
            return config;
        }
        return config with
        {
            ModulesToSave = Renamed(config.ModulesToSave, model.Embedding.Path),
            Targets = config.Targets!.Names is { } names
                ? new TargetModules(Renamed(names, model.Embedding.Path), null) : config.Targets,
        };
    }

    /// <summary>Whether the option is set but does nothing, in a sentence; or null.</summary>
    internal static string? Doubt(TransformerModel model, LoraConfig config) => config.EnsureWeightTying
        && !Acts(model, config)
        ? "ensure_weight_tying has no effect: " + (model.Head.Output?.Weight.TiedTo is null
            ? "embedding and head are not tied" : $"it knows the names {Embedding} and {Head} only, as in PEFT")
        : null;

    private static bool NamesHead(IEnumerable<string>? names) => names?.Any(n => LastName(n) == Head) ?? false;

    private static IReadOnlyList<string>? Renamed(IReadOnlyList<string>? names, string embedding) =>
        names is not null && names.Any(n => LastName(n) is Embedding or Head)
            ? [.. names.Where(n => LastName(n) != Head).Append(embedding).Distinct()] : names;

    private static string LastName(string path) => path[(path.LastIndexOf('.') + 1)..];
}
