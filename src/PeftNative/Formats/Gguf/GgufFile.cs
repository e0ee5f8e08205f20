using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;

namespace PeftNative.Formats.Gguf;

/// <summary>
/// A GGUF file mapped into memory: opening reads what stands before its tensors; see <see cref="GgufHeader"/>. A file
/// of big-endian machines, and types of tensors that are not known, are refused.
/// </summary>
internal sealed unsafe class GgufFile : TensorFile
{
    private GgufFile(MappedFile file, GgufHeader header)
        : base(file, header.DataStart, header.Tensors) => (Version, Values) = (header.Version, header.Values);

    /// <summary>The version of the format.</summary>
    internal int Version { get; }

    /// <summary>What the file says beside its tensors.</summary>
    internal GgufValues Values { get; }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Metadata =>
        Values.All.ToDictionary(v => v.Key, v => v.Value.ToString());

    /// <summary>Opens a file.</summary>
    /// <exception cref="ModelFormatException">It is damaged, or of a kind that is not read; says at which byte and in
    /// which field.</exception>
    /// <exception cref="StorageException">It is missing or cannot be read.</exception>
    internal static GgufFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new GgufFile(file, GgufHeader.Parse(
                new ReadOnlySpan<byte>(file.Start, (int)Math.Min(file.Length, int.MaxValue)), file.Length, path));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
