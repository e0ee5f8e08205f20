using System.Security.Cryptography;
using PeftNative.Formats;
using PeftNative.Formats.Recognition;
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

    /// <summary>What was recognised at the path.</summary>
    public required Recognized Found { get; init; }

    /// <summary>Looks at a path.</summary>
    /// <exception cref="ModelFormatException">It is damaged.</exception>
    public static InspectedPath Find(string path)
    {
        var found = FileRecognizer.Find(path);
        var kind = found.Kind switch
        {
            FileKind.PeftAdapter or FileKind.HubAdapter or FileKind.MlxAdapter => PathKind.Adapter,
            FileKind.Checkpoint => PathKind.Checkpoint,
            FileKind.Run => PathKind.Run,
            FileKind.BaseModel or FileKind.MlxModel or FileKind.SentenceTransformers => PathKind.Model,
            _ => PathKind.File,
        };
        return new(path, File.Exists(path) ? PathKind.File : kind, WeightsOf(path, kind, found)) { Found = found };
    }

    private static IReadOnlyList<string> WeightsOf(string path, PathKind kind, Recognized found)
    {
        if (found.Weights is { } weights) return [weights];
        if (kind == PathKind.File || File.Exists(path)) return [];
        if (kind != PathKind.Model)
            return [.. AdapterFolder.WeightsNames.Select(n => AdapterFolder.FindWeights(path, n)).OfType<string>(),
                .. new[] { System.IO.Path.Combine(path, "adapters.safetensors") }.Where(File.Exists)];
        if (found.Kind == FileKind.SentenceTransformers && !File.Exists(System.IO.Path.Combine(path, "config.json")))
            return [];
        using var source = WeightSource.Open(path);
        return [.. source.Tensors.Select(t => source.FileOf(t.Name).Path).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>The checkpoints in an output folder, oldest first.</summary>
    public static IEnumerable<string> Checkpoints(string path) => FolderRecognizer.Checkpoints(path);

    /// <summary>The SHA-256 of a file in hexadecimal.</summary>
    public static string Sha256(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
