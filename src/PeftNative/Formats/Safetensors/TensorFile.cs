using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Formats.Safetensors;

/// <summary>
/// A file of tensors mapped into memory: opening reads what describes them, tensors are read where they lie. Reading is
/// safe from several threads; disposing must wait for them, because spans and pointers handed out die with the file.
/// Nobody may shorten the file while it is open (the operating system then kills the process); writers that rename a
/// new file into place, as ours do, are safe.
/// </summary>
public abstract unsafe class TensorFile : IDisposable
{
    private readonly FrozenDictionary<string, StoredTensor> _byName;
    private readonly MappedFile _file;
    private readonly long _mapped;
    private readonly byte* _copies;
    private byte* _data;

    /// <summary>Takes over a mapped file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="dataStart">Where its data area begins.</param>
    /// <param name="tensors">Its tensors, which lie in the data area or, behind that, in <paramref
    /// name="copies"/>.</param>
    /// <param name="copies">Native memory with tensors that do not lie in the file as they are; or null.</param>
    private protected TensorFile(
        MappedFile file, long dataStart, ImmutableArray<StoredTensor> tensors, byte* copies = null)
    {
        (_file, _mapped, Tensors) = (file, file.Length - dataStart, tensors);
        _data = file.Start + dataStart;
        _copies = copies;
        _byName = tensors.ToFrozenDictionary(t => t.Name, StringComparer.Ordinal);
    }

    /// <summary>The path the file was opened under.</summary>
    public string Path => _file.Path;

    /// <summary>Every tensor, in the order of their bytes.</summary>
    public ImmutableArray<StoredTensor> Tensors { get; }

    /// <summary>The free text pairs of a safetensors file; else none.</summary>
    public virtual IReadOnlyDictionary<string, string> Metadata => ImmutableDictionary<string, string>.Empty;

    /// <summary>Finds a tensor by name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor) =>
        _byName.TryGetValue(name, out tensor);

    /// <summary>Finds a tensor by name.</summary>
    /// <exception cref="ModelFormatException">The file has no such tensor.</exception>
    public StoredTensor Get(string name) => TryGet(name, out var tensor) ? tensor
        : throw new ModelFormatException($"There is no tensor '{Message.Clip(name)}'.", Path);

    /// <summary>The address of a tensor's first byte (any alignment); valid until the file is disposed.</summary>
    public byte* Pointer(StoredTensor tensor)
    {
        ObjectDisposedException.ThrowIf(_data is null, this);
        if (!_byName.TryGetValue(tensor.Name, out var own) || !ReferenceEquals(own, tensor))
            throw new ArgumentException($"Tensor '{Message.Clip(tensor.Name)}' is not of this file.", nameof(tensor));
        return tensor.Begin < _mapped ? _data + tensor.Begin : _copies + (tensor.Begin - _mapped);
    }

    /// <summary>A tensor's bytes (little-endian, C order, any alignment); valid until the file is disposed.</summary>
    /// <exception cref="ResourceException">The tensor is larger than one span can be; read it in parts.</exception>
    public ReadOnlySpan<byte> Bytes(StoredTensor tensor) => tensor.ByteLength <= int.MaxValue
        ? new(Pointer(tensor), (int)tensor.ByteLength)
        : throw new ResourceException("The tensor is larger than 2 GB.", Message.At(Path, tensor.Name),
            "Read it in parts.");

    /// <summary>Some of a tensor's bytes, for tensors of any size.</summary>
    public ReadOnlySpan<byte> Bytes(StoredTensor tensor, long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteLength - length);
        return new(Pointer(tensor) + offset, length);
    }

    /// <summary>
    /// Gives back the memory that some elements of a tensor take in this process, once they were read; they can be read
    /// again.
    /// </summary>
    internal void Forget(StoredTensor tensor, long first, long count)
    {
        if (tensor.Begin >= _mapped || tensor.ElementCount == 0) return;
        var (from, to) = (Byte(first), Byte(first + count));
        _file.Forget(Pointer(tensor) - _file.Start + from, to - from);

        long Byte(long element) => (long)((Int128)tensor.ByteLength * element / tensor.ElementCount);
    }

    /// <summary>Reads a float tensor as singles: F32, F16, BF16 and blocks exactly, F64 rounded.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">Receives the elements, C order; exactly as long as they are many.</param>
    /// <param name="first">The first element to read, to read a tensor in parts; the destination then gives the
    /// number.</param>
    /// <exception cref="ModelFormatException">The tensor is not of one of these types.</exception>
    public void ReadAs(StoredTensor tensor, Span<float> destination, long? first = null)
    {
        if (first is null && tensor.ElementCount != destination.Length)
            throw new ArgumentException($"{tensor} into {destination.Length} values.", nameof(destination));
        if (tensor.Block != BlockFormat.None)
        {
            ReadBlocks(tensor, destination, first ?? 0);
            return;
        }
        const int chunk = 1 << 20; // so that the bytes of any chunk fit a span
        var width = tensor.Type.Bits() / 8;
        for (var done = 0; done < destination.Length; done += chunk)
        {
            var part = destination.Slice(done, Math.Min(chunk, destination.Length - done));
            Convert(tensor, Bytes(tensor, ((first ?? 0) + done) * width, part.Length * width), part);
        }
    }

    // Rows are whole blocks, so blocks follow each other from the first element to the last.
    private void ReadBlocks(StoredTensor tensor, Span<float> destination, long first)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, tensor.ElementCount - destination.Length);
        var (held, bytes) = (tensor.Block.Elements(), tensor.Block.Bytes());
        var data = Pointer(tensor);
        for (var i = 0; i < destination.Length; i++)
        {
            var (block, within) = Math.DivRem(first + i, held);
            destination[i] = BlockValues.Value(new MappedRow(data + block * bytes), tensor.Block, 0, (int)within);
        }
    }

    private readonly struct MappedRow(byte* start) : IByteRow
    {
        public int At(int index) => start[index];
    }

    private void Convert(StoredTensor tensor, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (tensor.Type)
        {
            case StoredType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case StoredType.F16:
                FloatConversion.ToSingle(MemoryMarshal.Cast<byte, Half>(source), destination);
                break;
            case StoredType.BF16:
                FloatConversion.ToSingle(MemoryMarshal.Cast<byte, BFloat16>(source), destination);
                break;
            case StoredType.F64:
                FloatConversion.ToSingle(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new ModelFormatException(
                    $"The tensor is stored as {tensor.Type.Name()}, which is not read as single precision.",
                    Message.At(Path, tensor.Name), "Store it as F32, F16, BF16 or F64.");
        }
    }

    /// <summary>Unmaps the file; spans and pointers into it are dead from here on.</summary>
    public void Dispose()
    {
        if (_data is null) return;
        _data = null;
        NativeMemory.Free(_copies);
        _file.Dispose();
        GC.SuppressFinalize(this);
    }
}
