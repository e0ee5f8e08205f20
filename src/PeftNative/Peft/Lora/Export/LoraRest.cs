using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Tokens;

namespace PeftNative.Peft.Lora.Export;

/// <summary>
/// What a LoRA adapter has trained beside its low-rank pairs; other programs' formats have no place for most of it.
/// </summary>
internal static class LoraRest
{
    private const int MostNamed = 4;

    /// <summary>In words, kind by kind with names; null where there is nothing else.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="isHeld">The parameters that the format does hold, beside the pairs.</param>
    internal static string? Describe(LoraAdapter adapter, Func<Parameter, bool> isHeld)
    {
        var pairs = adapter.Pairs.Values.SelectMany(p => (Parameter[])[p.A, p.B]).ToHashSet();
        var rest = adapter.StoredEntries.Concat(adapter.Carried)
            .Where(e => !e.IsBase && !pairs.Contains(e.Parameter) && !isHeld(e.Parameter));
        var kinds = rest.GroupBy(Kind).Select(g => $"{g.Key} ({Names([.. g.Select(e => e.Parameter.Name)])})").ToList();
        return kinds.Count == 0 ? null : string.Join(" and ", kinds);
    }

    /// <summary>Whether head and token embedding are one matrix.</summary>
    internal static bool IsTied(TransformerModel model) => model.Head.Output?.Weight.TiedTo is not null;

    private static string Kind(AdapterEntry entry) => entry.ReplacesInPlace
        ? entry.Parameter.Name.EndsWith(".bias", StringComparison.Ordinal) ? "trained biases" : "weights of the base"
        : entry.Parameter.Name.EndsWith(".lora_magnitude_vector", StringComparison.Ordinal) ? "DoRA's magnitudes"
            : entry.Parameter.Name.EndsWith(LoraAdapter.BiasPart, StringComparison.Ordinal) ? "lora_bias"
            : entry.Parameter.Name.EndsWith(TokenIndices.Part, StringComparison.Ordinal) ? TokenIndices.Key
            : "modules_to_save";

    private static string Names(List<string> names) =>
        string.Join(", ", names.Take(MostNamed))
            + (names.Count > MostNamed ? $" and {names.Count - MostNamed} more" : "");
}
