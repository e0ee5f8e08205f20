using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Tensors;

namespace PeftNative.Peft.Adapters;

/// <summary>What an adapter computes, as a digest: of its settings that matter, and of its numbers.</summary>
internal static class AdapterDigest
{
    // Names and versions say nothing about what is computed, nor does the type a file is kept in about the numbers in
    // it.
    private static readonly string[] Harmless =
    [
        "_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype", "auto_mapping",
        "base_model_name_or_path", "inference_mode",
        "model_name", "name", "peft_version", "revision", "runtime_config", "version",
    ];

    /// <summary>Settings of an adapter or of a model without those that say nothing about what is computed.</summary>
    internal static JsonObject Significant(JsonObject json)
    {
        var kept = (JsonObject)json.DeepClone();
        foreach (var key in Harmless) kept.Remove(key);
        return kept;
    }

    /// <summary>The digest of an adapter, whatever it is called and however its files keep it.</summary>
    internal static string Of(Adapter adapter)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (_, json) in adapter.Settings) Append(hash, PeftJson.Write(Significant(json)));
        foreach (var entry in adapter.StoredEntries.Concat(adapter.Carried))
        {
            Append(hash, $"{entry.Key} {entry.Parameter.Rows} {entry.Parameter.Columns}");
            hash.AppendData(MemoryMarshal.AsBytes(
                HostValues.Download(adapter.Model.Backend, entry.Parameter.Value).AsSpan()));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The digest of an adapter that is to be merged, with the scale it is merged with.</summary>
    internal static string OfMerged(Adapter adapter) => adapter.Scale == 1 ? Of(adapter)
        : string.Create(CultureInfo.InvariantCulture, $"{Of(adapter)}:{adapter.Scale:R}");

    private static void Append(IncrementalHash hash, string text) =>
        hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
}
