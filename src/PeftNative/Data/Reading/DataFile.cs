using System.Text;

namespace PeftNative.Data.Reading;

/// <summary>
/// Reads the records of a data file, one after the other, without holding the file in memory (json excepted, see
/// <see cref="JsonFileReader"/>). The format follows from the file's ending.
/// </summary>
public static class DataFile
{
    /// <summary>The endings that can be read.</summary>
    public static IReadOnlyList<string> Extensions { get; } = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt"];

    /// <summary>Reads a file; enumerating the result again reads it again.</summary>
    /// <param name="path">The file.</param>
    /// <param name="badLines">
    /// Null: the first broken line is thrown. Otherwise broken lines of jsonl, csv and tsv are added here and reading
    /// goes on after them; a file that is broken as a whole is thrown all the same.
    /// </param>
    /// <exception cref="DataException">
    /// While enumerating: the file does not exist, has an unknown ending, is not what its ending says, holds a broken
    /// line or no record at all.
    /// </exception>
    /// <exception cref="StorageException">The file cannot be opened or read.</exception>
    public static IEnumerable<RawRecord> Read(string path, ICollection<DataException>? badLines = null)
    {
        using var source = Open(path);
        var records = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".jsonl" or ".ndjson" => JsonLinesReader.Read(source, path, badLines),
            ".json" when JsonLinesReader.Recognizes(source) => JsonLinesReader.Read(source, path, badLines),
            ".json" => JsonFileReader.Read(source, path),
            ".csv" => DelimitedReader.Read(source, path, ',', badLines),
            ".tsv" => DelimitedReader.Read(source, path, '\t', badLines),
            ".txt" => TextFileReader.Read(source, path),
            var other => throw new DataException($"Files ending in '{other}' cannot be read as data.", path,
                $"Use one of {string.Join(", ", Extensions)}."),
        };
        var any = false;
        foreach (var record in records)
        {
            any = true;
            yield return record;
        }
        if (!any) throw badLines is { Count: > 0 } ? NoneIsValid(path, badLines) : Empty(path);
    }

    internal static DataException Empty(string path) =>
        new("The data file holds no records.", path,
            "Check that the right file was given and that writing it was finished.");

    private static DataException NoneIsValid(string path, ICollection<DataException> badLines) =>
        new($"None of the {badLines.Count} records is valid. The first: {badLines.First().What}",
            badLines.First().Where ?? path,
            badLines.First().Remedy);

    private static FileStream Open(string path)
    {
        if (Directory.Exists(path))
            throw new DataException("A data file was expected, but this is a folder.", path, "Name a file inside it.");
        try
        {
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
            try
            {
                RefuseOtherKinds(stream, path);
                return stream;
            }
            catch
            {
                stream.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataException("The data file does not exist.", path, "Check the path.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(
                "The data file cannot be opened: " + e.Message, path, "Check its permissions.", e);
        }
    }

    private static readonly (byte[] Start, string What, string Remedy)[] OtherKinds =
    [
        ("version https://git-lfs"u8.ToArray(), "This is a git-lfs pointer, not the data itself.",
            "Run 'git lfs pull' in its repository."),
        ([0x1F, 0x8B], "The data file is compressed with gzip.", "Decompress it first."),
        ("PK\x03\x04"u8.ToArray(), "The data file is a zip archive (or an Excel sheet).",
            "Unpack it, or save the sheet as csv."),
        ("PAR1"u8.ToArray(), "The data file is in Parquet format.", "Convert it to jsonl first."),
        ([0xFF, 0xFE], "The data file is in UTF-16.", "Save it as UTF-8."),
        ([0xFE, 0xFF], "The data file is in UTF-16.", "Save it as UTF-8."),
        ("<!DOCTYPE"u8.ToArray(), "The data file is a web page.",
            "Download the file itself, not the page that shows it."),
        ("<html"u8.ToArray(), "The data file is a web page.", "Download the file itself, not the page that shows it."),
    ];

    private static void RefuseOtherKinds(FileStream stream, string path)
    {
        Span<byte> start = stackalloc byte[32];
        start = start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        stream.Position = 0;
        foreach (var (magic, what, remedy) in OtherKinds)
        {
            var head = start[..Math.Min(start.Length, magic.Length)];
            if (head.SequenceEqual(magic) || Ascii.EqualsIgnoreCase(head, magic))
                throw new DataException(what, path, remedy);
        }
    }
}
