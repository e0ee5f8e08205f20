using PeftNative.Formats.Gguf;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;

namespace PeftNative.Formats;

/// <summary>
/// The weights of a checkpoint folder, whether in one <c>model.safetensors</c> or <c>pytorch_model.bin</c> or in shards
/// with an index, as one set of tensors. Opening reads headers only. Reading is safe from several threads; spans die
/// when it is disposed.
/// </summary>
public sealed class WeightSource : IDisposable
{
    private const string OtherModel = "The index and the shards are of different models; get all of them again.";
    private const string Index = "model.safetensors.index.json";

    // The likeliest first; safetensors win.
    private static readonly string[] Names =
        ["model.safetensors", Index, "pytorch_model.bin", "pytorch_model.bin.index.json"];

    private readonly List<TensorFile> _files = [];
    private readonly Dictionary<string, (TensorFile File, StoredTensor Tensor)> _tensors = [];

    private WeightSource(string path) => Path = path;

    /// <summary>The folder or file it was opened from.</summary>
    public string Path { get; }

    /// <summary>Every tensor, by name.</summary>
    public IEnumerable<StoredTensor> Tensors =>
        _tensors.Values.Select(t => t.Tensor).OrderBy(t => t.Name, StringComparer.Ordinal);

    /// <summary>The paths of its files of tensors.</summary>
    public IEnumerable<string> Files => _files.Select(f => f.Path);

    /// <summary>The number of tensors.</summary>
    public int Count => _tensors.Count;

    /// <summary>The bytes of all tensors.</summary>
    public long ByteLength => _tensors.Values.Sum(t => t.Tensor.ByteLength);

    /// <summary>What the first GGUF file says beside its tensors; null where there is none.</summary>
    internal GgufValues? Gguf => _files is [GgufFile first, ..] ? first.Values : null;

    /// <summary>Opens a model folder, or one file of tensors; of a split GGUF model the first opens all.</summary>
    /// <exception cref="ModelFormatException">There are no weights, or they are damaged or do not fit their
    /// index.</exception>
    /// <exception cref="StorageException">There is no such folder, or it cannot be read.</exception>
    public static WeightSource Open(string path)
    {
        var source = new WeightSource(path);
        try
        {
            if (File.Exists(path)) source.AddFiles(path);
            else if (!Directory.Exists(path) && !AtomicFolder.Recover(path)) throw StorageErrors.NoFolder(path);
            else source.AddFolder(path);
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>The description of a tensor, or null where there is none of this name.</summary>
    public StoredTensor? Find(string name) => _tensors.TryGetValue(name, out var found) ? found.Tensor : null;

    /// <summary>The description of a tensor.</summary>
    /// <exception cref="ModelFormatException">There is no such tensor.</exception>
    public StoredTensor Get(string name) => Locate(name).Tensor;

    /// <summary>The file a tensor lies in.</summary>
    /// <exception cref="ModelFormatException">There is no such tensor.</exception>
    public TensorFile FileOf(string name) => Locate(name).File;

    /// <summary>A tensor's bytes as stored (little-endian, C order, any alignment).</summary>
    /// <exception cref="ModelFormatException">There is no such tensor.</exception>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        var (file, tensor) = Locate(name);
        return file.Bytes(tensor);
    }

    /// <summary>Reads an F32, F16, BF16 or F64 tensor as singles; see <see cref="TensorFile.ReadAs"/>.</summary>
    /// <exception cref="ModelFormatException">There is no such tensor, or it is not of one of these types.</exception>
    public void ReadAs(string name, Span<float> destination, long? first = null)
    {
        var (file, tensor) = Locate(name);
        file.ReadAs(tensor, destination, first);
    }

    /// <summary>Gives back the memory that elements of a tensor take in this process, once they were read.</summary>
    internal void Forget(string name, long first, long count)
    {
        var (file, tensor) = Locate(name);
        file.Forget(tensor, first, count);
    }

    /// <summary>Unmaps the files.</summary>
    public void Dispose() => _files.ForEach(f => f.Dispose());

    private (TensorFile File, StoredTensor Tensor) Locate(string name) =>
        _tensors.TryGetValue(name, out var found) ? found
        : throw new ModelFormatException($"The checkpoint has no tensor '{Message.Clip(name)}'.", Path);

    private void AddFolder(string folder)
    {
        var found = Names.Select(n => System.IO.Path.Combine(folder, n)).FirstOrDefault(File.Exists)
            ?? throw NoWeights(folder);
        if (found.EndsWith(".json", StringComparison.Ordinal)) AddShards(found);
        else AddFile(found);
    }

    private void AddFiles(string path)
    {
        AddFile(path);
        if (Gguf is not { } values) return;
        var parts = GgufParts.Of(path, values);
        foreach (var part in parts)
        {
            AddFile(part);
            GgufParts.Check((GgufFile)_files[^1], _files.Count - 1, parts.Count + 1);
        }
        if (parts.Count > 0) GgufParts.CheckCount(values, Count);
    }

    private void AddFile(string path)
    {
        var file = TensorFiles.Open(path);
        _files.Add(file);
        foreach (var tensor in file.Tensors)
            if (!_tensors.TryAdd(tensor.Name, (file, tensor)))
                throw new ModelFormatException(
                    $"The tensor lies in two shards, also in {_tensors[tensor.Name].File.Path}.",
                    Message.At(path, tensor.Name), "Save the checkpoint again, or get it from its source again.");
    }

    private void AddShards(string indexPath)
    {
        var index = ShardIndex.Read(indexPath);
        var folder = System.IO.Path.GetDirectoryName(indexPath)!;
        foreach (var shard in index.Shards) AddFile(ShardPath(folder, shard, indexPath));
        foreach (var (name, shard) in index.WeightMap)
            if (!_tensors.TryGetValue(name, out var found) || System.IO.Path.GetFileName(found.File.Path) != shard)
                throw new ModelFormatException($"The index places the tensor in {shard}, which does not have it.",
                    Message.At(indexPath, name), OtherModel);
        foreach (var (name, (file, _)) in _tensors)
            if (!index.WeightMap.ContainsKey(name))
                throw new ModelFormatException("The shard holds a tensor that the index does not list.",
                    Message.At(file.Path, name), OtherModel);
    }

    private static string ShardPath(string folder, string shard, string indexPath)
    {
        var path = System.IO.Path.Combine(folder, shard);
        if (!File.Exists(path))
            throw new ModelFormatException($"The shard {shard} is missing.", indexPath,
                "The download is probably incomplete; get the missing file.");
        if (new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true) is { } target
            && !IsInside(folder, target.FullName))
            throw new ModelFormatException(
                $"The shard {shard} is a link to a place outside the model folder: {target.FullName}.", indexPath,
                "Put the file itself into the folder if you trust it.");
        return path;
    }

    // Besides the folder itself, links may lead to the blobs of a Hugging Face cache, which is laid out as
    // snapshots/<revision>/x -> ../../blobs/<hash>.
    private static bool IsInside(string folder, string target)
    {
        var real = LocalFileSystem.Instance.RealPath(folder);
        var parent = System.IO.Path.GetDirectoryName(target);
        return parent == real
            || parent == System.IO.Path.GetFullPath(System.IO.Path.Combine(real, "..", "..", "blobs"));
    }

    private static ModelFormatException NoWeights(string folder)
    {
        var names = Directory.EnumerateFiles(folder).Select(f => System.IO.Path.GetFileName(f)).ToList();
        if (names.Any(n => n.StartsWith("model-", StringComparison.Ordinal)
            || n.StartsWith("pytorch_model-", StringComparison.Ordinal)))
            return new("The folder has shards, but no index of them (.index.json).", folder,
                "Get the missing file from the model's source.");
        return new($"The folder has neither {Names[0]} nor {Index}.", folder,
            "Give the folder of a Hugging Face checkpoint.");
    }
}
