using System.Security.Cryptography;
using PeftNative.Formats;
using PeftNative.Peft;

namespace PeftNative.Cli.Inspect;

/// <summary>What stands at a path.</summary>
internal enum PathKind
{
    File,
    Adapter,
    Checkpoint,
    Model,
    Run,
}

/// <summary>Something to inspect: its kind and the files of its weights.</summary>
internal sealed record InspectedPath(string Path, PathKind Kind, IReadOnlyList<string> WeightFiles)
{
    private const string State = "trainer_state.json";

    /// <summary>The kind in words.</summary>
    public string KindName => Kind switch
    {
        PathKind.File => "file of tensors",
        PathKind.Adapter => "adapter",
        PathKind.Checkpoint => "checkpoint of a training run",
        PathKind.Model => "model",
        _ => "training run",
    };

    /// <summary>Where the tensors are opened: the folder of a model, else the file.</summary>
    public string WeightPath => Kind == PathKind.Model ? Path : WeightFiles[0];

    /// <summary>Looks at a path.</summary>
    /// <exception cref="ModelFormatException">Nothing there can be inspected.</exception>
    public static InspectedPath Find(string path)
    {
        if (File.Exists(path)) return new(path, PathKind.File, [path]);
        if (!Directory.Exists(path))
            throw new StorageException("There is no such file or folder.", path, "Check the path.");
        if (File.Exists(System.IO.Path.Combine(path, AdapterFolder.ConfigName)))
            return new(path, Kind(path),
                [.. AdapterFolder.WeightsNames.Select(n => AdapterFolder.FindWeights(path, n)).OfType<string>()]);
        if (Directory.Exists(path) && Checkpoints(path).Any()) return new(path, PathKind.Run, []);
        using var source = WeightSource.Open(path);
        return new(path, PathKind.Model,
            [.. source.Tensors.Select(t => source.FileOf(t.Name).Path).Distinct().Order(StringComparer.Ordinal)]);

        static PathKind Kind(string path) =>
            File.Exists(System.IO.Path.Combine(path, State)) ? PathKind.Checkpoint : Checkpoints(path).Any()
            ? PathKind.Run : PathKind.Adapter;
    }

    /// <summary>The checkpoints in an output folder, oldest first.</summary>
    public static IEnumerable<string> Checkpoints(string path) => Directory.EnumerateDirectories(path, "checkpoint-*")
        .Where(d => File.Exists(System.IO.Path.Combine(d, State)))
        .OrderBy(d => int.TryParse(d[(d.LastIndexOf('-') + 1)..], out var step) ? step : 0);

    /// <summary>The SHA-256 of a file in hexadecimal.</summary>
    public static string Sha256(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
