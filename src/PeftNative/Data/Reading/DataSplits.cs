namespace PeftNative.Data.Reading;

/// <summary>The files of a data set by their role; null where there is none.</summary>
public sealed record DataSplits(string? Train, string? Validation, string? Test)
{
    private static readonly string[] TrainNames = ["train"];
    private static readonly string[] ValidationNames = ["valid", "validation", "val", "dev"];
    private static readonly string[] TestNames = ["test"];

    /// <summary>
    /// Finds the files: a file is the training data itself; in a folder they are named train, valid (or validation,
    /// val, dev) and test, each with one of <see cref="DataFile.Extensions"/>.
    /// </summary>
    /// <exception cref="DataException">
    /// Nothing is there, no file has such a name, or two files could be meant.
    /// </exception>
    /// <exception cref="StorageException">The folder cannot be listed.</exception>
    public static DataSplits Find(string path)
    {
        if (File.Exists(path)) return new DataSplits(path, null, null);
        if (!Directory.Exists(path))
            throw new DataException("There is no such data file or folder.", path, "Check the path.");
        var files = List(path);
        var splits = new DataSplits(
            Single(path, files, TrainNames), Single(path, files, ValidationNames), Single(path, files, TestNames));
        if (splits is not { Train: null, Validation: null, Test: null }) return splits;
        var found = files.Count == 0
            ? "It has no data files."
            : $"It has {string.Join(", ", files.Take(8).Select(Path.GetFileName))}.";
        throw new DataException("The folder holds no file named train, validation or test.", path,
            $"{found} Rename the files, such as train.jsonl, or name one of them.");
    }

    private static List<string> List(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder)
                .Where(f => DataFile.Extensions.Contains(Path.GetExtension(f).ToLowerInvariant()))
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(
                "The data folder cannot be listed: " + e.Message, folder, "Check its permissions.", e);
        }
    }

    private static string? Single(string folder, List<string> files, string[] names)
    {
        var found = files.FindAll(f => names.Contains(Path.GetFileNameWithoutExtension(f).ToLowerInvariant()));
        return found.Count <= 1 ? found.FirstOrDefault() : throw new DataException(
            $"Several files could be the {names[0]} data: {string.Join(", ", found.Select(Path.GetFileName))}.", folder,
            "Keep one of them, or name the file itself.");
    }
}
