using PeftNative.Formats.Storage;

namespace PeftNative.Formats.Safetensors;

/// <summary>
/// A safetensors file mapped into memory: opening reads the header only; see <see cref="TensorFile"/>. Reading is safe
/// from several threads.
/// </summary>
public sealed unsafe class SafetensorsFile : TensorFile
{
    private SafetensorsFile(MappedFile file, SafetensorsHeader header)
        : base(file, header.DataStart, header.Tensors) => Header = header;

    /// <summary>The validated header.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>The free text pairs of <c>__metadata__</c>; empty where the file has none.</summary>
    public override IReadOnlyDictionary<string, string> Metadata => Header.Metadata;

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="ModelFormatException">The file is not a sound safetensors file.</exception>
    /// <exception cref="StorageException">The file is missing or cannot be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            var head = (int)Math.Min(file.Length, 8 + SafetensorsHeader.MaxHeaderBytes);
            return new SafetensorsFile(file, SafetensorsHeader.Parse(file.Bytes(0, head), file.Length, path));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
