using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Formats;

/// <summary>
/// A safetensors file mapped into memory: opening reads the header only, tensors are read where they lie. Reading is
/// safe from several threads; disposing must wait for them, because spans and pointers handed out die with the file.
/// Nobody may shorten the file while it is open (the operating system then kills the process); writers that rename a
/// new file into place, as ours do, are safe.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly FrozenDictionary<string, StoredTensor> _byName;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _data;

    private SafetensorsFile(
        string path, MemoryMappedFile map, MemoryMappedViewAccessor view, byte* start, SafetensorsHeader header)
    {
        Path = path;
        Header = header;
        _map = map;
        _view = view;
        _data = start + header.DataStart;
        _byName = header.Tensors.ToFrozenDictionary(t => t.Name, StringComparer.Ordinal);
    }

    /// <summary>The path the file was opened under.</summary>
    public string Path { get; }

    /// <summary>The validated header.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Every tensor, in the order of their bytes in the file.</summary>
    public ImmutableArray<StoredTensor> Tensors => Header.Tensors;

    /// <summary>The free text pairs of <c>__metadata__</c>; empty where the file has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => Header.Metadata;

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="ModelFormatException">The file is not a sound safetensors file.</exception>
    /// <exception cref="StorageException">The file is missing or cannot be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        MemoryMappedFile? map = null;
        MemoryMappedViewAccessor? view = null;
        byte* start = null;
        try
        {
            using var stream = new FileStream(
                path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            var length = stream.Length;
            if (length == 0) SafetensorsHeader.Parse([], 0, path);
            map = MemoryMappedFile.CreateFromFile(
                stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
            var head = (int)Math.Min(length, 8 + SafetensorsHeader.MaxHeaderBytes);
            var header = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(start, head), length, path);
            return new SafetensorsFile(path, map, view, start, header);
        }
        catch (Exception e)
        {
            if (start is not null) view!.SafeMemoryMappedViewHandle.ReleasePointer();
            view?.Dispose();
            map?.Dispose();
            if (e is IOException or UnauthorizedAccessException) throw StorageErrors.Reading(path, e);
            throw;
        }
    }

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
        return _data + tensor.Begin;
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

    /// <summary>Reads a float tensor as singles: F32, F16 and BF16 exactly, F64 rounded.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">Receives the elements, C order; exactly as long as they are many.</param>
    /// <param name="first">The first element to read, to read a tensor in parts; the destination then gives the
    /// number.</param>
    /// <exception cref="ModelFormatException">The tensor is not of one of these types.</exception>
    public void ReadAs(StoredTensor tensor, Span<float> destination, long? first = null)
    {
        if (first is null && tensor.ElementCount != destination.Length)
            throw new ArgumentException($"{tensor} into {destination.Length} values.", nameof(destination));
        const int chunk = 1 << 20; // so that the bytes of any chunk fit a span
        var width = tensor.Type.Bits() / 8;
        for (var done = 0; done < destination.Length; done += chunk)
        {
            var part = destination.Slice(done, Math.Min(chunk, destination.Length - done));
            Convert(tensor, Bytes(tensor, ((first ?? 0) + done) * width, part.Length * width), part);
        }
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
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
