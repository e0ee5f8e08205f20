using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Quantization;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// Which base an adapter was trained on. PEFT's files hold no more than a name, so a training run leaves base.json
/// beside them: the name, a fingerprint of the weights, and the adapters that were merged into them before. A merged
/// model has the same of itself in merged.json.
/// </summary>
public static class BaseIdentity
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "base.json";

    /// <summary>Name of the file in the folder of a merged model.</summary>
    internal const string MergedName = "merged.json";

    private const string MergedAdapters = "merged_adapters", MergedDigests = "merged_digests";
    private const int Samples = 16, SampleBytes = 64;

    /// <summary>
    /// A digest of the names, types and shapes of a checkpoint's tensors and of bytes spread over each of them. Reads a
    /// little of any model, however large: training changes every number of a tensor, so another model of the same
    /// shapes is recognised all the same.
    /// </summary>
    /// <exception cref="ModelFormatException">The folder has no weights that can be read.</exception>
    public static string Fingerprint(string modelFolder)
    {
        using var source = WeightSource.Open(modelFolder);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in source.Tensors)
        {
            digest.AppendData(
                Encoding.UTF8.GetBytes($"{tensor.Name} {tensor.Type} {string.Join(',', tensor.Shape)}\n"));
            var count = (int)Math.Min(tensor.ByteLength, SampleBytes);
            for (var i = 0; i < Samples && count > 0; i++)
                digest.AppendData(source.FileOf(tensor.Name)
                    .Bytes(tensor, (tensor.ByteLength - count) * i / (Samples - 1), count));
        }
        return Convert.ToHexStringLower(digest.GetHashAndReset());
    }

    /// <summary>The text of base.json for a base.</summary>
    public static string Write(string modelFolder) => Write(modelFolder, []);

    /// <summary>The text of base.json for a base with adapters merged into it.</summary>
    /// <param name="modelFolder">The base.</param>
    /// <param name="merged">What the adapters are called, and their digests, in the order of merging.</param>
    /// <param name="quantization">How its frozen layers were quantised while training; null for as they are.</param>
    internal static string Write(string modelFolder, IReadOnlyList<(string Name, string Digest)> merged,
        QuantizationOptions? quantization = null)
    {
        var json = ToJson(modelFolder, merged);
        if (quantization is { } q)
            json["quantization"] = new JsonObject
            {
                ["type"] = q.Type.ToString().ToLowerInvariant(), ["block_size"] = q.BlockSize,
                ["double_quant"] = q.DoubleQuantization, ["int8_compute"] = q.Int8Compute.ToString().ToLowerInvariant(),
                ["skip_modules"] = new JsonArray([.. q.Skip.Select(s => (JsonNode)s)]),
            };
        return PeftJson.Write(json);
    }

    /// <summary>How the frozen layers of the base were quantised when an adapter was trained; null for not.</summary>
    /// <exception cref="ModelFormatException">The file is broken.</exception>
    public static QuantizationOptions? QuantizationOf(string adapterFolder)
    {
        if (Find(adapterFolder) is not { } file) return null;
        if (StrictJson.ReadFile(file).GetOptionalObject("quantization") is not { } json) return null;
        return new QuantizationOptions
        {
            Type = Parse<QuantizationType>("type"), BlockSize = json.GetInt("block_size"),
            DoubleQuantization = json.GetBool("double_quant", false), Int8Compute = Parse<Int8Compute>("int8_compute"),
            Skip = json.GetStringList("skip_modules"),
        };

        T Parse<T>(string key) where T : struct, Enum => Enum.TryParse<T>(json.GetString(key), true, out var value)
            ? value : throw json.Error(key, $"'{json.GetString(key)}' is not known.");
    }

    /// <summary>The text of merged.json for a base, the adapters in it, and the folder that was made of them.</summary>
    internal static string WriteMerged(
        string modelFolder, IReadOnlyList<(string Name, string Digest)> merged, string mergedFolder)
    {
        var json = ToJson(modelFolder, merged);
        json["merged_fingerprint"] = Fingerprint(mergedFolder);
        return PeftJson.Write(json);
    }

    /// <summary>
    /// Why a base is not the one that an adapter was made for, in a sentence; null where nothing speaks against it.
    /// Where there is no base.json, names are compared: the adapter's base_model_name_or_path with the folder and its
    /// config.json.
    /// </summary>
    /// <exception cref="ModelFormatException">A file is broken.</exception>
    public static string? Mismatch(string adapterFolder, string modelFolder) =>
        Mismatch(adapterFolder, modelFolder, []);

    /// <summary>Likewise for a base with adapters merged into it in memory.</summary>
    internal static string? Mismatch(string adapterFolder, string modelFolder, IReadOnlyList<string> merged)
    {
        if (Find(adapterFolder) is { } file)
        {
            var json = StrictJson.ReadFile(file);
            if (IsSame(json, modelFolder, merged)) return null;
            var trained = json.GetString("base_model_name_or_path");
            return json.GetOptionalStringList(MergedAdapters) is { } names
                ? $"it was trained on {trained} with {string.Join(" and ", names)} merged into it, which "
                    + $"{modelFolder} is not; peftnative merge --model {trained} "
                    + $"{string.Join(' ', names.Select(n => $"--adapter {n}"))} --output NEW makes that base"
                : $"it was trained on {trained}, whose weights are not those of {modelFolder}"
                    + (merged.Count > 0 ? " with what is merged into them" : "");
        }
        var named = NamedBase(adapterFolder);
        return named is null || Names(modelFolder).Contains(LastPart(named), StringComparer.OrdinalIgnoreCase) ? null
            : $"its files name {named} as the base, and {modelFolder} goes by another name";
    }

    /// <summary>Whether base.json says that an adapter was trained on other weights.</summary>
    internal static bool IsOther(string adapterFolder, string modelFolder, IReadOnlyList<string> merged) =>
        Find(adapterFolder) is { } file && !IsSame(StrictJson.ReadFile(file), modelFolder, merged);

    private static JsonObject ToJson(string modelFolder, IReadOnlyList<(string Name, string Digest)> merged)
    {
        var json = new JsonObject
        {
            ["base_model_name_or_path"] = modelFolder, ["fingerprint"] = Fingerprint(modelFolder),
        };
        if (merged.Count == 0) return json;
        json[MergedAdapters] = ConfigKey.List(merged.Select(m => m.Name));
        json[MergedDigests] = ConfigKey.List(merged.Select(m => m.Digest));
        return json;
    }

    // The base itself with the same adapters merged, or a folder that was made of the two and has not changed since.
    private static bool IsSame(StrictObject trained, string modelFolder, IReadOnlyList<string> merged)
    {
        var (wanted, own) = (trained.GetString("fingerprint"), Fingerprint(modelFolder));
        if (own == wanted && Digests(trained).SequenceEqual(merged)) return true;
        var file = Path.Combine(modelFolder, MergedName);
        if (!File.Exists(file)) return false;
        var made = StrictJson.ReadFile(file);
        return made.GetString("merged_fingerprint") == own && made.GetString("fingerprint") == wanted
            && Digests(trained).SequenceEqual(Digests(made).Concat(merged));
    }

    private static IReadOnlyList<string> Digests(StrictObject json) => json.GetOptionalStringList(MergedDigests) ?? [];

    // In the folder of the adapter, or, for the best one and checkpoints of a run, in the one above.
    private static string? Find(string adapterFolder)
    {
        var above = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(adapterFolder)));
        return new[] { adapterFolder, above }.OfType<string>().Select(f => Path.Combine(f, FileName))
            .FirstOrDefault(File.Exists);
    }

    /// <summary>The base that an adapter's settings name; null where they name none.</summary>
    internal static string? NamedBase(string adapterFolder)
    {
        var config = Path.Combine(adapterFolder, AdapterFiles.ConfigName);
        if (!File.Exists(config)) return null;
        var json = StrictJson.ReadFile(config);
        var name = json.GetOptionalString("base_model_name_or_path") ?? json.GetOptionalString("model_name");
        return string.IsNullOrWhiteSpace(name) ? null : name;
    }

    // What a model may be called: any part of its path (the Hub's cache has models--OWNER--NAME/snapshots/HASH), and
    // what its config.json says.
    private static IEnumerable<string> Names(string modelFolder)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(modelFolder));
        foreach (var part in path.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar))
            yield return part.StartsWith("models--", StringComparison.Ordinal)
                ? part[(part.LastIndexOf("--", StringComparison.Ordinal) + 2)..] : part;
        var config = Path.Combine(modelFolder, "config.json");
        if (File.Exists(config) && StrictJson.ReadFile(config)
            .GetOptionalString("_name_or_path") is { Length: > 0 } own) yield return LastPart(own);
    }

    private static string LastPart(string name) => name.TrimEnd('/', '\\').Split('/', '\\')[^1];
}
