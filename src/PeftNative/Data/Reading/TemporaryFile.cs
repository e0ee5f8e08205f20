using Microsoft.Win32.SafeHandles;

namespace PeftNative.Data.Reading;

/// <summary>
/// A file that lives as long as the program and holds what would take too much memory. Written at its end by one
/// thread; what has been written can be read by several.
/// </summary>
internal sealed class TemporaryFile
{
    private const int BufferSize = 1 << 20;

    private readonly SafeFileHandle handle;
    private readonly byte[] buffer = new byte[BufferSize];
    private long flushed;
    private int buffered;

    /// <summary>Makes an empty file in the folder for temporary files.</summary>
    /// <exception cref="StorageException">It cannot be made.</exception>
    public TemporaryFile()
    {
        var path = Path.Combine(Path.GetTempPath(), $"peftnative-{Guid.NewGuid():N}");
        try
        {
            handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None,
                FileOptions.DeleteOnClose);
            // Where the system allows it, the name goes at once, so that nothing is left when the program is killed.
            if (!OperatingSystem.IsWindows()) File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException("A temporary file cannot be made: " + e.Message, path,
                "Free some space, or name another folder with TMPDIR.", e);
        }
    }

    /// <summary>Bytes written.</summary>
    public long Length => flushed + buffered;

    /// <summary>Writes behind what is there.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (buffered + bytes.Length > BufferSize) Flush();
        if (bytes.Length > BufferSize)
        {
            Write(bytes);
            return;
        }
        bytes.CopyTo(buffer.AsSpan(buffered));
        buffered += bytes.Length;
    }

    /// <summary>Makes all that was written readable.</summary>
    public void Flush()
    {
        Write(buffer.AsSpan(0, buffered));
        buffered = 0;
    }

    /// <summary>Reads from a place; all that was asked for must be there.</summary>
    public void Read(Span<byte> bytes, long offset)
    {
        while (!bytes.IsEmpty)
        {
            var read = RandomAccess.Read(handle, bytes, offset);
            if (read == 0) throw new StorageException("A temporary file is shorter than it was.", null);
            bytes = bytes[read..];
            offset += read;
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(handle, bytes, flushed);
            flushed += bytes.Length;
        }
        catch (IOException e)
        {
            throw new StorageException("A temporary file cannot be written: " + e.Message, Path.GetTempPath(),
                "Free some space, or name another folder with TMPDIR.", e);
        }
    }
}
