using System.Globalization;
using PeftNative.Formats;
using PeftNative.Models.Families;
using PeftNative.Models.Loading.Stored;

namespace PeftNative.Models.Loading;

/// <summary>Tensors of a checkpoint that the model has no place for. Stateless and thread-safe.</summary>
internal static class UnusedTensors
{
    private const int Shown = 3;

    /// <summary>All that nothing has used, but for those that the family's checkpoints hold for no reason.</summary>
    internal static IEnumerable<string> Of(Family family, CheckpointNames names, WeightSource source,
        HashSet<string> used) => source.Tensors.Select(t => t.Name)
        .Where(n => !used.Contains(n) && names.Gguf?.Knows(n) != true
            && !family.IgnoredTensors.Any(end => n.EndsWith(end, StringComparison.Ordinal)));

    /// <summary>
    /// Says which were meant to be computed with, a sentence each: those in layers of the model, and those that are
    /// no part of a head of another task. Empty where there are none.
    /// </summary>
    internal static IEnumerable<string> Doubts(TransformerModel model, IReadOnlyList<string> unused)
    {
        List<string> layers = [.. Enumerable.Range(0, model.Config.LayerCount)
            .Select(i => string.Format(CultureInfo.InvariantCulture, model.Family.Names.Layer, i) + ".")];
        List<string> found = [.. unused.Where(n => !n.EndsWith(".inv_freq", StringComparison.Ordinal))];
        var inLayers = found.ToLookup(n => layers.Exists(l => n.StartsWith(l, StringComparison.Ordinal)
            || n.Contains("." + l, StringComparison.Ordinal)));
        if (inLayers[true].ToList() is { Count: > 0 } inside)
            yield return $"the checkpoint has {inside.Count} tensors in layers where a {model.Config.ModelType} model "
                + $"of this config.json has no place for them, so they are not used: {Names(inside)}";
        if (inLayers[false].Where(n => !n.Split('.').Any(OtherHeads.Contains)).ToList() is { Count: > 0 } stray)
            yield return $"the checkpoint has {stray.Count} tensors that a {model.Config.ModelType} model of this "
                + $"config.json has no place for, so they are not used: {Names(stray)}";
    }

    // What checkpoints of other tasks, and of pretraining, have on top of the layers.
    private static readonly HashSet<string> OtherHeads =
    [
        "cls", "lm_head", "mlm_head", "embed_out", "pooler", "pre_classifier", "classifier", "score", "qa_outputs",
        "vocab_transform", "vocab_layer_norm", "vocab_projector", "generator_predictions", "generator_lm_head",
        "discriminator_predictions", "predictions", "head", "decoder_head", "position_ids", "mask_token",
    ];

    private static string Names(List<string> names) =>
        string.Join(", ", names.Take(Shown)) + (names.Count > Shown ? ", ..." : "");
}
