namespace PeftNative.Data.Reading;

/// <summary>
/// The files of a data set by their role, each a name that <see cref="DataFile.Read"/> takes (a file, a pattern of
/// several, or an array of a JSON object); null where there is none.
/// </summary>
public sealed record DataSplits(string? Train, string? Validation, string? Test)
{
    private static readonly string[] TrainNames = ["train", "training"];
    private static readonly string[] ValidationNames = ["valid", "validation", "val", "dev", "eval"];
    private static readonly string[] TestNames = ["test"];

    /// <summary>
    /// Finds the files. A file is the training data itself, but for a JSON object with arrays of these names. In a
    /// folder, or its folder <c>data</c>, they are named train, valid (or validation, val, dev, eval) and test, each
    /// with one of <see cref="DataFile.Extensions"/>; <c>train-00000-of-00003.parquet</c> is a part of such a file,
    /// and a folder of such a name holds parts.
    /// </summary>
    /// <exception cref="DataException">
    /// Nothing is there, no file has such a name, or two files could be meant.
    /// </exception>
    /// <exception cref="StorageException">The folder cannot be listed.</exception>
    public static DataSplits Find(string path)
    {
        var (name, array) = DataPath.Split(path);
        if (array is not null || name.Contains('*') || File.Exists(name))
            return array is null ? OfArrays(name) ?? new DataSplits(path, null, null) : new(path, null, null);
        if (!Directory.Exists(path))
            throw new DataException("There is no such data file or folder.", path, "Check the path.");
        foreach (var folder in new[] { path, Path.Combine(path, "data") }.Where(Directory.Exists))
        {
            if (OfFolder(folder) is { } splits) return splits;
        }
        // One file by any name, or the parts that datasets saves to disk.
        var files = List(path);
        if (files is [var only]) return Find(only);
        if (Single(path, ["data"]) is { } parts && parts.Contains('*')) return new DataSplits(parts, null, null);
        var found = files.Count == 0
            ? "It has no data files."
            : $"It has {string.Join(", ", files.Take(8).Select(Path.GetFileName))}.";
        throw new DataException("The folder holds no file named train, validation or test.", path,
            $"{found} Rename the files, such as train.jsonl, or name one of them.");
    }

    /// <summary>One of the splits by its name, such as <c>validation</c>; any other name is looked for as it
    /// is.</summary>
    /// <exception cref="DataException">There is none.</exception>
    public static string Find(string path, string split)
    {
        var all = TrainNames.Contains(split) || ValidationNames.Contains(split) || TestNames.Contains(split)
            ? Find(path) : null;
        if (TrainNames.Contains(split) && all?.Train is { } train) return train;
        if (ValidationNames.Contains(split) && all?.Validation is { } validation) return validation;
        if (TestNames.Contains(split) && all?.Test is { } test) return test;
        if (all is null && File.Exists(path)) return $"{path}#{split}";
        foreach (var folder in new[] { path, Path.Combine(path, "data") }.Where(Directory.Exists))
        {
            if (Single(folder, [split]) is { } other) return other;
        }
        throw new DataException($"There is no split '{split}'.", path, all is null
            ? "Check the name: it is that of a file, without its ending."
            : $"There is {string.Join(", ", new[] { all.Train, all.Validation, all.Test }.OfType<string>())}.");
    }

    /// <summary>Of things with names the one to train on; null where it is not clear.</summary>
    internal static T? ToTrain<T>(List<T> all, Func<T, string> name) where T : class =>
        all.FindAll(a => TrainNames.Contains(name(a).ToLowerInvariant())) is [var one] ? one : null;

    private static DataSplits? OfArrays(string path)
    {
        if (DataPath.Extension(path) != ".json" || !File.Exists(path)) return null;
        var content = new DataContent(path, ReadOptions.Default);
        if (JsonForms.Of(content) != JsonForm.Object) return null;
        using var stream = content.Open();
        var names = JsonFileReader.Names(stream, path);
        var splits = new DataSplits(Array(TrainNames), Array(ValidationNames), Array(TestNames));
        return splits.Train is null ? null : splits;

        string? Array(string[] wanted) => names.FirstOrDefault(n => wanted.Contains(n.ToLowerInvariant())) is { } found
            ? $"{path}#{found}" : null;
    }

    private static DataSplits? OfFolder(string folder)
    {
        var splits = new DataSplits(
            Single(folder, TrainNames), Single(folder, ValidationNames), Single(folder, TestNames));
        return splits is { Train: null, Validation: null, Test: null } ? null : splits;
    }

    private static List<string> List(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder)
                .Where(f => DataFile.Extensions.Contains(DataPath.Extension(f)) && !IsAboutData(f))
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(
                "The data folder cannot be listed: " + e.Message, folder, "Check its permissions.", e);
        }
    }

    // Files beside the data that say something about it.
    private static bool IsAboutData(string file) =>
        Path.GetFileName(file) is "dataset_info.json" or "dataset_dict.json" or "state.json" or "dataset_infos.json";

    private static string? Single(string folder, string[] names)
    {
        var found = List(folder).Select(f => PartOf(f, names)).OfType<string>().Distinct().ToList();
        if (found.Count == 0)
        {
            found = [.. names.Select(n => Path.Combine(folder, n)).Where(Directory.Exists)
                .SelectMany(sub => List(sub).Select(f => Path.Combine(sub, "*" + Path.GetExtension(f)))).Distinct()];
        }
        return found.Count <= 1 ? found.FirstOrDefault() : throw new DataException(
            $"Several files could be the {names[0]} data: {string.Join(", ", found.Select(Path.GetFileName))}.", folder,
            "Keep one of them, or name the file itself.");
    }

    // The file itself; of one of several parts the pattern of them all.
    private static string? PartOf(string file, string[] names)
    {
        var stem = DataPath.Stem(file);
        if (names.Contains(stem.ToLowerInvariant())) return file;
        var dash = stem.IndexOf('-');
        if (dash < 0 || !names.Contains(stem[..dash].ToLowerInvariant()) || !char.IsAsciiDigit(stem[^1])) return null;
        var ending = Path.GetFileName(file)[stem.Length..];
        return Path.Combine(Path.GetDirectoryName(file)!, $"{stem[..dash]}-*{ending}");
    }
}
