using System.Security.Cryptography;
using PeftNative.Formats;

namespace PeftNative.Lab.Comparison;

/// <summary>The files of a model by what is in them. Stateless and thread-safe.</summary>
public static class FileDigests
{
    /// <summary>
    /// SHA-256 in hexadecimal by file name, in the order of the names: of all files of a folder; of a model that is a
    /// GGUF file, of that and its other parts.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Of(string model) =>
        FilesOf(model).Order(StringComparer.Ordinal).ToDictionary(f => Path.GetFileName(f), Digest);

    private static string[] FilesOf(string model)
    {
        if (!File.Exists(model)) return Directory.GetFiles(model);
        using var source = WeightSource.Open(model);
        return [.. source.Files];
    }

    /// <summary>Whether two folders, or one at two times, hold the same files.</summary>
    public static bool AreSame(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
        a.Count == b.Count && a.All(f => b.GetValueOrDefault(f.Key) == f.Value);

    private static string Digest(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
