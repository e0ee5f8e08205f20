using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Mixed;

namespace PeftNative.Cli.Runs;

/// <summary>An adapter that is used where its name is asked for.</summary>
/// <param name="Name">The name.</param>
/// <param name="Adapter">The adapter.</param>
/// <param name="Labels">What the outputs of its head mean.</param>
internal sealed record AdapterChoice(string Name, Adapter Adapter, IReadOnlyList<string> Labels)
{
    /// <summary>The name that stands for none, as in PEFT.</summary>
    public const string Base = "__base__";

    /// <summary>The probability from which each label counts; null for one half.</summary>
    public IReadOnlyList<double>? Thresholds { get; init; }

    /// <summary>The labels an adapter's files name, or the model's.</summary>
    public static IReadOnlyList<string> LabelsOf(string folder, TransformerModel model) =>
        AdapterLabels.OptionsFor(folder, model.Folder!).Labels ?? model.Config.Labels;

    /// <summary>
    /// Which adapters to put in force for sequences that choose differently: one batch where adapters can be mixed,
    /// else the sequences of each choice by themselves, in the order in which the choices first appear.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="chosen">The choice of each sequence; null for the base alone.</param>
    public static IEnumerable<(int[] Sequences, IReadOnlyList<AttachmentSet> Adapters)> Batches(TransformerModel model,
        IReadOnlyList<AdapterChoice?> chosen)
    {
        int[] all = [.. Enumerable.Range(0, chosen.Count)];
        var different = chosen.Distinct().ToList();
        if (different.Count > 1 && different.All(c => c is null || MixedAdapters.CanMix(model, c.Adapter)))
            return [(all, [new MixedAdapters(model, [.. chosen.Select(c => c?.Adapter)])])];
        return different.Select(c =>
            ((int[])[.. all.Where(i => chosen[i] == c)], (IReadOnlyList<AttachmentSet>)(c is null ? [] : [c.Adapter])));
    }
}
