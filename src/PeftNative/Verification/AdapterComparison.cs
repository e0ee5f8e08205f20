using System.Text.Json;
using PeftNative.Formats;
using PeftNative.Peft;

namespace PeftNative.Verification;

/// <summary>Compares what would be saved here with what the reference saved: keys, shapes and settings.</summary>
public static class AdapterComparison
{
    /// <summary>Every difference in words; empty when the files agree.</summary>
    public static IEnumerable<string> Differences(Adapter adapter, string folder)
    {
        using var file = SafetensorsFile.Open(Path.Combine(folder, AdapterFolder.WeightsName));
        var ours = adapter.Entries.ToDictionary(e => e.Key, e => string.Join(",", e.Parameter.StoredShape));
        var theirs = file.Tensors.ToDictionary(t => t.Name, t => string.Join(",", t.Shape));
        foreach (var key in ours.Keys.Union(theirs.Keys).Order(StringComparer.Ordinal))
            if (ours.GetValueOrDefault(key) != theirs.GetValueOrDefault(key))
                yield return $"{key} would be saved as [{ours.GetValueOrDefault(key, "nothing")}], the reference has [{theirs.GetValueOrDefault(key, "nothing")}]";
        foreach (var difference in ConfigDifferences(adapter, folder)) yield return difference;
    }

    private static IEnumerable<string> ConfigDifferences(Adapter adapter, string folder)
    {
        var theirs = StrictJson.ReadFile(Path.Combine(folder, AdapterFolder.ConfigName)).Element;
        var ours = JsonDocument.Parse(PeftJson.Write(adapter.Config.ToJson())).RootElement;
        var keys = theirs.EnumerateObject().Concat(ours.EnumerateObject()).Select(p => p.Name).Distinct().Order(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            var (mine, other) = (Text(ours, key), Text(theirs, key));
            if (mine != other) yield return $"{ConfigKey(key)} would be saved as {mine}, the reference has {other}";
        }
    }

    private static string ConfigKey(string key) => $"{AdapterFolder.ConfigName}'s {key}";

    // Lists are sets in these files: their order means nothing, and older versions wrote doubles.
    private static string Text(JsonElement json, string key)
    {
        if (!json.TryGetProperty(key, out var value)) return "nothing";
        return value.ValueKind == JsonValueKind.Array
            ? $"[{string.Join(",", value.EnumerateArray().Select(v => v.GetRawText()).Distinct().Order(StringComparer.Ordinal))}]"
            : value.GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal);
    }
}
