using System.Text;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Storage;

/// <summary>
/// Writes a file so that at every moment its name leads to the whole old content or the whole new one: the bytes go to
/// a temporary name in the same folder, are flushed to the disk and renamed into place, and the folder is flushed.
/// </summary>
public static class AtomicFile
{
    /// <summary>Replaces or creates a file.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="write">Writes the content; the stream has no buffer, so write in large pieces.</param>
    /// <param name="bytes">The size, where known: too little free space is then reported before anything is
    /// written.</param>
    /// <param name="files">The file system; the machine's own by default.</param>
    /// <exception cref="StorageException">The disk is full, or permission is missing, or the like; the old file is
    /// untouched.</exception>
    public static void Write(string path, Action<Stream> write, long? bytes = null, IFileSystem? files = null)
    {
        files ??= LocalFileSystem.Instance;
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full)!;
        var free = files.FreeBytes(folder);
        if (bytes > free) throw StorageErrors.Full(path, bytes, free);
        var temporary = TemporaryName.For(full);
        try
        {
            using (var stream = files.CreateFile(temporary))
            {
                write(stream);
                files.FlushFile(stream);
            }
            files.ReplaceFile(temporary, full);
        }
        catch (Exception e)
        {
            TemporaryName.TryDelete(() => files.DeleteFile(temporary));
            if (StorageErrors.IsStorage(e)) throw StorageErrors.Writing(path, e, bytes, files.FreeBytes(folder));
            throw;
        }
        FlushFolder(files, folder, path);
    }

    /// <summary>Replaces or creates a text file (UTF-8 without a byte order mark).</summary>
    /// <exception cref="StorageException">As <see cref="Write"/>.</exception>
    public static void WriteText(string path, string text, IFileSystem? files = null)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Write(path, stream => stream.Write(bytes), bytes.Length, files);
    }

    internal static void FlushFolder(IFileSystem files, string folder, string path)
    {
        try
        {
            files.FlushFolder(folder);
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            throw new StorageException(
                $"The new content is in place, but flushing its folder failed: {e.Message}", path,
                "It is safe unless the machine loses power now; write it again to be sure.", e);
        }
    }
}

/// <summary>Names for unfinished files and folders: hidden, beside the target, unlike any other process's.</summary>
internal static class TemporaryName
{
    public static string For(string fullPath) => Mark(fullPath, "tmp");

    public static string Mark(string fullPath, string kind) => Path.Combine(Path.GetDirectoryName(fullPath)!,
        $".{Path.GetFileName(fullPath)}.{kind}-{Environment.ProcessId}-{Guid.NewGuid().ToString("N")[..8]}");

    /// <summary>Cleans up after a failure without hiding it.</summary>
    public static void TryDelete(Action delete)
    {
        try
        {
            delete();
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            // A leftover is harmless: readers ignore these names.
        }
    }
}
