using System.Security.Cryptography;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;

namespace PeftNative.Formats;

/// <summary>
/// <c>manifest.json</c> of a folder: <c>{"files": {name: {"sha256", "size"}}, "version": 1}</c>. It is written last, so
/// a folder that has it was complete once, and checking it finds any later damage.
/// </summary>
public static class FolderManifest
{
    /// <summary>The manifest's name in its folder.</summary>
    public const string FileName = "manifest.json";

    /// <summary>
    /// Checks that every file of the manifest is there with its size and, unless told otherwise, its SHA-256.
    /// </summary>
    /// <returns>The names of the files listed.</returns>
    /// <exception cref="ModelFormatException">A file is missing, or differs; or the manifest itself is
    /// damaged.</exception>
    /// <exception cref="StorageException">There is no manifest, or a file cannot be read.</exception>
    public static IReadOnlyList<string> Verify(string folder, bool hashes = true)
    {
        var manifest = StrictJson.ReadFile(Path.Combine(folder, FileName));
        if (manifest.GetInt("version") is var version and not 1)
            throw manifest.Error("version", $"Version {version} of the manifest is unknown; this program knows 1.");
        var files = manifest.GetObject("files");
        foreach (var name in files.Keys)
        {
            if (Path.IsPathRooted(name) || name.Split('/', '\\').Contains(".."))
                throw files.Error(name, "The manifest names a file outside its folder.");
            Check(Path.Combine(folder, name), files.GetObject(name), hashes);
        }
        return [.. files.Keys];
    }

    internal static JsonObject Entry(long size, byte[] sha256) =>
        new() { ["sha256"] = Convert.ToHexStringLower(sha256), ["size"] = size };

    internal static string Text(JsonObject files) =>
        PeftJson.Write(new JsonObject { ["files"] = files, ["version"] = 1 });

    private static void Check(string path, StrictObject entry, bool hashes)
    {
        const string restore = "Use another checkpoint, or get the file again.";
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read);
            var size = entry.GetLong("size");
            if (stream.Length != size)
                throw new ModelFormatException(
                    $"The file has {stream.Length} bytes, its manifest says {size}.", path, restore);
            if (hashes && Convert.ToHexStringLower(SHA256.HashData(stream)) != entry.GetString("sha256"))
                throw new ModelFormatException("The file's content is not what its manifest says.", path, restore);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFormatException("A file of the manifest is missing.", path, restore, e);
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            throw StorageErrors.Reading(path, e);
        }
    }
}
