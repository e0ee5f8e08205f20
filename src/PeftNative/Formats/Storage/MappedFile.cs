using System.IO.MemoryMappedFiles;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Storage;

/// <summary>A file mapped into memory for reading. Reading is safe from several threads; disposing must wait for
/// them.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _start;

    private MappedFile(string path, FileStream stream)
    {
        (Path, Length) = (path, stream.Length);
        if (Length == 0) return; // cannot be mapped
        _map = MemoryMappedFile.CreateFromFile(
            stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = _map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
            _start += _view.PointerOffset;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The path it was opened under.</summary>
    public string Path { get; }

    /// <summary>Its size in bytes.</summary>
    public long Length { get; }

    /// <summary>The address of its first byte; null where it is empty or disposed.</summary>
    public byte* Start => _start;

    /// <summary>Maps a file.</summary>
    /// <exception cref="StorageException">It is missing or cannot be read.</exception>
    public static MappedFile Open(string path)
    {
        try
        {
            using var stream = new FileStream(
                path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            return new MappedFile(path, stream);
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            throw StorageErrors.Reading(path, e);
        }
    }

    /// <summary>Some of its bytes.</summary>
    /// <exception cref="ModelFormatException">They do not all lie in the file.</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int length) =>
        offset >= 0 && length >= 0 && offset <= Length - length ? new(_start + offset, length)
            : throw new ModelFormatException(
                $"The file is truncated: byte {(Int128)offset + length} is beyond its end.", $"{Path}, {Length} bytes",
                "The download is probably incomplete; get the file again.");

    /// <summary>
    /// Gives back the memory that some bytes take in this process; the next access reads them from the file again.
    /// </summary>
    public void Forget(long offset, long length)
    {
        var (first, end) = ((nuint)_start + (nuint)offset, (nuint)_start + (nuint)(offset + length));
        var page = (nuint)Environment.SystemPageSize;
        if (length > 0) PosixCalls.Forget(first / page * page, end - first / page * page);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_start is not null) _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _start = null;
        _view?.Dispose();
        _map?.Dispose();
    }
}
