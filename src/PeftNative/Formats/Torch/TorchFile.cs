using System.Collections.Immutable;
using System.Runtime.InteropServices;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;

namespace PeftNative.Formats.Torch;

/// <summary>
/// A file of <c>torch.save</c> with a dictionary of tensors: a zip archive, or the form before PyTorch 1.6. Its pickle
/// is not run: of its instructions only those that describe tensors are known, everything else is refused by name.
/// Reading is safe from several threads.
/// </summary>
public sealed unsafe class TorchFile : TensorFile
{
    private TorchFile(MappedFile file, ImmutableArray<StoredTensor> tensors, byte* copies)
        : base(file, 0, tensors, copies)
    {
    }

    /// <summary>Maps a file and reads what describes its tensors; those that are views with gaps or turned round are
    /// copied into memory.</summary>
    /// <exception cref="ModelFormatException">The file is damaged, or holds anything but tensors.</exception>
    /// <exception cref="StorageException">The file is missing or cannot be read.</exception>
    public static TorchFile Open(string path)
    {
        var file = MappedFile.Open(path);
        byte* copies = null;
        try
        {
            var container = TorchContainer.Read(file);
            var tensors = new TorchLayout(file, container).Place(out copies);
            return new TorchFile(file, tensors, copies);
        }
        catch
        {
            NativeMemory.Free(copies);
            file.Dispose();
            throw;
        }
    }
}
