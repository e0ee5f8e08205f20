using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Peft.Adapters;

namespace PeftNative.Lab.Verification;

/// <summary>Compares what would be saved here with what the reference saved: keys, shapes and settings.</summary>
public static class AdapterComparison
{
    /// <summary>Every difference in words; empty when the files agree.</summary>
    public static IEnumerable<string> Differences(Adapter adapter, string folder) =>
    [
        .. adapter.StoredEntries.GroupBy(e => e.File)
            .SelectMany(g => TensorDifferences(g, Path.Combine(folder, g.Key))),
        .. adapter.Settings.SelectMany(s => SettingDifferences(s.Json, s.File, folder)),
    ];

    private static IEnumerable<string> TensorDifferences(IEnumerable<AdapterEntry> entries, string path)
    {
        using var file = SafetensorsFile.Open(path);
        var ours = entries.ToDictionary(e => e.Key, e => string.Join(",", e.Parameter.StoredShape));
        var theirs = file.Tensors.ToDictionary(t => t.Name, t => string.Join(",", t.Shape));
        foreach (var key in ours.Keys.Union(theirs.Keys).Order(StringComparer.Ordinal))
            if (ours.GetValueOrDefault(key) != theirs.GetValueOrDefault(key))
                yield return $"{key} would be saved as [{ours.GetValueOrDefault(key, "nothing")}], the reference has "
                    + $"[{theirs.GetValueOrDefault(key, "nothing")}]";
    }

    private static IEnumerable<string> SettingDifferences(JsonObject settings, string name, string folder)
    {
        var theirs = StrictJson.ReadFile(Path.Combine(folder, name)).Element;
        var ours = JsonDocument.Parse(PeftJson.Write(settings)).RootElement;
        var keys = theirs.EnumerateObject().Concat(ours.EnumerateObject()).Select(p => p.Name).Distinct()
            .Order(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            var (mine, other) = (Text(ours, key), Text(theirs, key));
            if (mine != other) yield return $"{name}'s {key} would be saved as {mine}, the reference has {other}";
        }
    }

    // Lists are sets in these files: their order means nothing, and older versions wrote doubles.
    private static string Text(JsonElement json, string key)
    {
        if (!json.TryGetProperty(key, out var value)) return "nothing";
        return value.ValueKind == JsonValueKind.Array
            ? $"[{string.Join(",", Items(value))}]"
            : value.GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal);
    }

    private static IEnumerable<string> Items(JsonElement list) =>
        list.EnumerateArray().Select(v => v.GetRawText()).Distinct().Order(StringComparer.Ordinal);
}
