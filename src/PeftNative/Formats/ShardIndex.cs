using System.Text.Json;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;

namespace PeftNative.Formats;

/// <summary>
/// <c>model.safetensors.index.json</c> or <c>pytorch_model.bin.index.json</c>: which shard holds which tensor. Shards
/// are bare names of files in the index's own folder. Immutable.
/// </summary>
internal sealed class ShardIndex
{
    private ShardIndex(Dictionary<string, string> weightMap) => WeightMap = weightMap;

    /// <summary>The shard's file name for every tensor.</summary>
    public IReadOnlyDictionary<string, string> WeightMap { get; }

    /// <summary>The shards' file names in order.</summary>
    public IEnumerable<string> Shards =>
        WeightMap.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);

    /// <summary>Reads an index file.</summary>
    /// <exception cref="ModelFormatException">The index is damaged or names a file outside its folder.</exception>
    /// <exception cref="StorageException">The file is missing or cannot be read.</exception>
    public static ShardIndex Read(string path) => From(StrictJson.ReadFile(path, SafetensorsHeader.MaxHeaderBytes));

    /// <summary>Parses an index from UTF-8.</summary>
    /// <exception cref="ModelFormatException">As <see cref="Read"/>.</exception>
    public static ShardIndex Parse(ReadOnlySpan<byte> utf8, string file = "memory") =>
        From(StrictJson.ParseObject(utf8, file));

    private static ShardIndex From(StrictObject index)
    {
        var map = index.GetObject("weight_map");
        var ending = index.File.EndsWith(".bin.index.json", StringComparison.Ordinal) ? ".bin" : ".safetensors";
        var shards = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in map.Element.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String)
                throw map.Error(entry.Name, "Every value of weight_map must be a file name.");
            var shard = entry.Value.GetString()!;
            if (!IsBareName(shard, ending))
                throw map.Error(entry.Name, $"'{Message.Clip(shard)}' is not the bare name of a {ending} file.",
                    "An index may only name files in its own folder; do not trust this model's source.");
            if (shards.Count == SafetensorsHeader.MaxTensors)
                throw map.Error(entry.Name, $"weight_map lists more than {SafetensorsHeader.MaxTensors} tensors.");
            shards.Add(entry.Name, shard);
        }
        return shards.Count > 0 ? new ShardIndex(shards)
            : throw index.Error("weight_map", "weight_map lists no tensors.");
    }

    // The same rule on every system, so that a model is either good everywhere or nowhere.
    private static bool IsBareName(string name, string ending) =>
        name.EndsWith(ending, StringComparison.Ordinal) && name.Length <= 255 && name[0] != '.'
        && !name.Any(c => char.IsControl(c) || c is '/' or '\\' or ':' or '*' or '?' or '"' or '<' or '>' or '|');
}
