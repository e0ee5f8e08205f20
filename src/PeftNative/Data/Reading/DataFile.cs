namespace PeftNative.Data.Reading;

/// <summary>
/// Reads the records of a data file, one after the other, without holding the file in memory (an object with arrays
/// and txt excepted). The format follows from the file's ending; gzip, and what other assemblies undo, is seen at its
/// start.
/// </summary>
public static class DataFile
{
    private static readonly string[] Own =
        [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".conll", ".bio", ".iob", ".txt"];

    /// <summary>The endings that can be read.</summary>
    public static IReadOnlyList<string> Extensions => [.. Own, .. DataFormats.All.SelectMany(f => f.Extensions)];

    /// <summary>Reads a file; enumerating the result again reads it again.</summary>
    /// <param name="path">
    /// The file; several by a pattern (<c>train-*.jsonl</c>), or one array of a JSON object (<c>data.json#train</c>).
    /// </param>
    /// <param name="badLines">
    /// Null: the first broken line is thrown. Otherwise broken lines and records of JSON, csv and tsv are added here
    /// and reading goes on after them; a file that is broken as a whole is thrown all the same.
    /// </param>
    /// <param name="options">How bytes become records; null for what the file itself says.</param>
    /// <exception cref="DataException">
    /// While enumerating: the file does not exist, has an unknown ending, is not what its ending says, holds a broken
    /// line or no record at all.
    /// </exception>
    /// <exception cref="StorageException">The file cannot be opened or read.</exception>
    public static IEnumerable<RawRecord> Read(
        string path, ICollection<DataException>? badLines = null, ReadOptions? options = null)
    {
        var (name, array) = DataPath.Split(path);
        foreach (var file in DataPath.Files(name))
        {
            var any = false;
            foreach (var record in ReadOne(file, array, badLines, options ?? ReadOptions.Default))
            {
                any = true;
                yield return record;
            }
            if (!any) throw badLines is { Count: > 0 } ? NoneIsValid(path, badLines) : Empty(file);
        }
    }

    private static IEnumerable<RawRecord> ReadOne(
        string path, string? array, ICollection<DataException>? badLines, ReadOptions options)
    {
        var extension = DataPath.Extension(path);
        if (DataFormats.Of(extension) is { } format)
        {
            using var file = DataContent.OpenFile(path);
            foreach (var record in format.Read(file, path)) yield return record;
            yield break;
        }
        var content = new DataContent(path, options);
        using var stream = content.Open();
        foreach (var record in extension switch
        {
            ".jsonl" or ".ndjson" or ".json" => JsonForms.Of(content) switch
            {
                JsonForm.Lines => JsonLinesReader.Read(stream, path, badLines),
                JsonForm.Values => JsonValuesReader.ReadValues(stream, path, badLines),
                JsonForm.Array => JsonValuesReader.ReadArray(stream, path, badLines),
                _ => JsonFileReader.Read(stream, path, array),
            },
            ".csv" => DelimitedReader.Read(content, stream, ',', badLines, options),
            ".tsv" => DelimitedReader.Read(content, stream, '\t', badLines, options),
            ".conll" or ".bio" or ".iob" => ConllReader.Read(stream, path, badLines),
            ".txt" => TextFileReader.Read(stream, path),
            _ => throw Unknown(extension, path),
        })
            yield return content.IsPlain ? record : record with { Offset = null };
    }

    private static DataException Unknown(string extension, string path) =>
        new($"Files ending in '{extension}' cannot be read as data.", path, extension is ".parquet" or ".arrow"
            ? "Add the package PeftNative.Columnar, or convert it to jsonl."
            : $"Use one of {string.Join(", ", Extensions)}.");

    internal static DataException Empty(string path) =>
        new("The data file holds no records.", path,
            "Check that the right file was given and that writing it was finished.");

    internal static DataException NoneIsValid(string path, ICollection<DataException> badLines) =>
        new($"None of the {badLines.Count} records is valid. The first: {badLines.First().What}",
            badLines.First().Where ?? path,
            badLines.First().Remedy);
}
