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
    /// Says which lie in layers of the model, where they were meant to be computed with, in a sentence; or null. Heads
    /// of other tasks and layers that the model does not have are no reason for doubt.
    /// </summary>
    internal static string? Doubt(TransformerModel model, IEnumerable<string> unused)
    {
        List<string> layers = [.. Enumerable.Range(0, model.Config.LayerCount)
            .Select(i => string.Format(CultureInfo.InvariantCulture, model.Family.Names.Layer, i) + ".")];
        List<string> found = [.. unused.Where(n => !n.EndsWith(".inv_freq", StringComparison.Ordinal)
            && layers.Exists(l => n.StartsWith(l, StringComparison.Ordinal)
                || n.Contains("." + l, StringComparison.Ordinal)))];
        return found.Count == 0 ? null
            : $"the checkpoint has {found.Count} tensors in layers where a {model.Config.ModelType} model of this "
                + "config.json has no place for them, so they are not used: "
                + string.Join(", ", found.Take(Shown)) + (found.Count > Shown ? ", ..." : "");
    }
}
