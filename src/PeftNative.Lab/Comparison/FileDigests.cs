using System.Security.Cryptography;

namespace PeftNative.Lab.Comparison;

/// <summary>The files of a folder by what is in them.</summary>
public static class FileDigests
{
    /// <summary>SHA-256 in hexadecimal by file name, in the order of the names.</summary>
    public static IReadOnlyDictionary<string, string> Of(string folder) =>
        Directory.GetFiles(folder).Order(StringComparer.Ordinal)
        .ToDictionary(f => Path.GetFileName(f), Digest);

    /// <summary>Whether two folders, or one at two times, hold the same files.</summary>
    public static bool AreSame(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
        a.Count == b.Count && a.All(f => b.GetValueOrDefault(f.Key) == f.Value);

    private static string Digest(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
