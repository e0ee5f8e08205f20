namespace PeftNative.Data.Reading;

/// <summary>
/// What may stand for data files: a file, several by a pattern (<c>data/train-*.parquet</c>), or one array of a JSON
/// object (<c>data.json#train</c>).
/// </summary>
internal static class DataPath
{
    /// <summary>Endings of compressed files; what is before them says what is in them.</summary>
    private static readonly string[] Compressed = [".gz", ".zst"];

    /// <summary>The files, in the order of their names.</summary>
    /// <exception cref="DataException">No file has such a name.</exception>
    public static IReadOnlyList<string> Files(string path)
    {
        var name = Path.GetFileName(path);
        if (!name.Contains('*') || File.Exists(path)) return [path];
        var folder = Path.GetDirectoryName(path) is { Length: > 0 } above ? above : ".";
        string[] files = Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, name).Order(StringComparer.Ordinal)] : [];
        return files.Length > 0 ? files
            : throw new DataException("No file has such a name.", path, "Check the pattern and its folder.");
    }

    /// <summary>The file itself, and the name of the array in it that is meant; null for the only one.</summary>
    public static (string File, string? Array) Split(string path)
    {
        var at = path.LastIndexOf('#');
        return at <= 0 || at < path.LastIndexOfAny(['/', '\\']) || File.Exists(path)
            ? (path, null) : (path[..at], path[(at + 1)..]);
    }

    /// <summary>Whether the name says that a file is compressed.</summary>
    public static bool IsCompressed(string path) => Compressed.Contains(Path.GetExtension(path).ToLowerInvariant());

    /// <summary>The ending that says what is in a file, in lower case; those of compressed files left out.</summary>
    public static string Extension(string path)
    {
        var extension = Path.GetExtension(path).ToLowerInvariant();
        return Compressed.Contains(extension)
            ? Path.GetExtension(Path.GetFileNameWithoutExtension(path)).ToLowerInvariant() : extension;
    }

    /// <summary>The name of a file without any of its endings.</summary>
    public static string Stem(string path)
    {
        var name = Path.GetFileName(path);
        var extension = Path.GetExtension(name).ToLowerInvariant();
        if (Compressed.Contains(extension)) name = Path.GetFileNameWithoutExtension(name);
        return Path.GetFileNameWithoutExtension(name);
    }
}
