using System.Collections.Immutable;
using System.Runtime.InteropServices;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Torch;

/// <summary>
/// Finds the bytes of tensors: in the file where they lie there in C order, else in copies behind it.
/// </summary>
internal sealed unsafe class TorchLayout(MappedFile file, TorchContainer container)
{
    // Views share storages, so that a small file may describe a lot.
    private const int MostCopies = 8;

    /// <summary>Places every tensor.</summary>
    /// <param name="copies">Receives native memory with those that had to be copied; the caller frees it.</param>
    /// <exception cref="ModelFormatException">What was saved is no dictionary of tensors.</exception>
    internal ImmutableArray<StoredTensor> Place(out byte* copies)
    {
        copies = null;
        var tensors = Tensors();
        Int128 bytes = 0;
        foreach (var (_, tensor) in tensors)
            if (!tensor.IsContiguous) bytes += Bytes(tensor);
        if (bytes > (Int128)MostCopies * file.Length)
            throw new ModelFormatException(
                "The tensors are views of each other that would take far more than the file.", file.Path,
                "Save each with .contiguous().");
        if (bytes > 0) copies = Allocate((nuint)bytes);
        var next = file.Length;
        var placed = new List<StoredTensor>(tensors.Count);
        foreach (var (name, tensor) in tensors)
        {
            var begin = container.Storages[tensor.Storage.Key] + tensor.Offset * Width(tensor);
            if (!tensor.IsContiguous)
            {
                Gather(file.Start + begin, copies + (next - file.Length), tensor);
                begin = next;
                next += Bytes(tensor);
            }
            placed.Add(new StoredTensor(name, tensor.Storage.Type, [.. tensor.Sizes], begin, begin + Bytes(tensor)));
        }
        return [.. placed.OrderBy(t => t.Begin).ThenBy(t => t.Name, StringComparer.Ordinal)];
    }

    private byte* Allocate(nuint bytes)
    {
        try
        {
            return (byte*)NativeMemory.Alloc(bytes);
        }
        catch (OutOfMemoryException e)
        {
            throw new ResourceException($"There is no memory for {bytes} bytes of tensors that are views.", file.Path,
                "Save its tensors as safetensors.", e);
        }
    }

    private List<(string Name, TorchTensor Tensor)> Tensors()
    {
        if (container.Root is not Dictionary<string, object?> map)
            throw new ModelFormatException("The file holds no dictionary of tensors.", file.Path,
                "Save the model's state_dict().");
        if (map.Count > SafetensorsHeader.MaxTensors)
            throw new ModelFormatException(
                $"The file has more than {SafetensorsHeader.MaxTensors} tensors.", file.Path);
        return [.. map.Select(p => (p.Key, p.Value as TorchTensor ?? throw NoTensor(p.Key, p.Value)))];
    }

    private ModelFormatException NoTensor(string name, object? value) => new(
        value is Dictionary<string, object?>
            ? $"The file holds a dictionary under '{Message.Clip(name)}' where a tensor should be."
            : $"What the file holds under '{Message.Clip(name)}' is no tensor.",
        file.Path, "Save the dictionary of the tensors alone, as save_pretrained does.");

    private static int Width(TorchTensor tensor) => tensor.Storage.Type.Bits() / 8;

    private static long Bytes(TorchTensor tensor) => tensor.Count * Width(tensor);

    private static void Gather(byte* source, byte* target, TorchTensor tensor)
    {
        var (width, rank) = (Width(tensor), tensor.Sizes.Length);
        var index = new long[rank];
        for (var done = 0L; done < tensor.Count; done++)
        {
            var from = 0L;
            for (var d = 0; d < rank; d++) from += index[d] * tensor.Strides[d];
            new ReadOnlySpan<byte>(source + from * width, width).CopyTo(new Span<byte>(target + done * width, width));
            for (var d = rank - 1; d >= 0 && ++index[d] == tensor.Sizes[d]; d--) index[d] = 0;
        }
    }
}
