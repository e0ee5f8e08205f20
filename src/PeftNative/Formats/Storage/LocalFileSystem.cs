using System.Runtime.InteropServices;

namespace PeftNative.Formats.Storage;

/// <summary>The machine's own file system. Stateless and thread-safe.</summary>
public sealed class LocalFileSystem : IFileSystem
{
    /// <summary>The only instance.</summary>
    public static LocalFileSystem Instance { get; } = new();

    private LocalFileSystem()
    {
    }

    /// <inheritdoc/>
    public Stream CreateFile(string path) =>
        new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);

    /// <inheritdoc/>
    public void FlushFile(Stream stream) => ((FileStream)stream).Flush(flushToDisk: true);

    /// <inheritdoc/>
    public void FlushFolder(string path) => PosixCalls.FlushFolder(path);

    /// <inheritdoc/>
    public void CreateFolder(string path) => Directory.CreateDirectory(path);

    /// <inheritdoc/>
    public void ReplaceFile(string from, string to) => File.Move(from, to, overwrite: true);

    /// <inheritdoc/>
    public void MoveFolder(string from, string to) => Directory.Move(from, to);

    /// <inheritdoc/>
    public bool TryExchangeFolders(string one, string other) => PosixCalls.TryExchange(one, other);

    /// <inheritdoc/>
    public void DeleteFile(string path) => File.Delete(path);

    /// <inheritdoc/>
    public void DeleteFolder(string path) => Directory.Delete(path, recursive: true);

    /// <inheritdoc/>
    public bool FolderExists(string path) => Directory.Exists(path);

    /// <inheritdoc/>
    public IReadOnlyList<string> EntryNames(string path) =>
        Directory.Exists(path) ? [.. Directory.EnumerateFileSystemEntries(path).Select(p => Path.GetFileName(p)!)] : [];

    /// <inheritdoc/>
    public string RealPath(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return Directory.Exists(full) && Directory.ResolveLinkTarget(full, returnFinalTarget: true) is { } target
            ? target.FullName
            : full;
    }

    /// <inheritdoc/>
    public long? FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}

/// <summary>
/// The calls .NET lacks: flushing a folder, exchanging two names, forgetting pages of a file. They do nothing on
/// Windows.
/// </summary>
internal static partial class PosixCalls
{
    private const int CurrentFolder = -100; // AT_FDCWD of Linux; the macOS call takes none
    private const int DoNotNeed = 4; // MADV_DONTNEED of Linux and macOS
    private const uint Exchange = 2; // RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS

    public static void FlushFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        var descriptor = Open(path, 0);
        if (descriptor < 0) throw Failure("open", path);
        var failed = FlushDescriptor(descriptor) != 0;
        var failure = failed ? Failure("fsync", path) : null;
        _ = Close(descriptor);
        if (failure is not null) throw failure;
    }

    public static bool TryExchange(string one, string other)
    {
        try
        {
            if (OperatingSystem.IsLinux()) return RenameLinux(CurrentFolder, one, CurrentFolder, other, Exchange) == 0;
            if (OperatingSystem.IsMacOS()) return RenameMac(one, other, Exchange) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            // an old or different C library; the caller renames twice instead
        }
        return false;
    }

    /// <summary>Drops pages of a mapped file from this process; what cannot be dropped stays.</summary>
    public static void Forget(nuint start, nuint length)
    {
        if (!OperatingSystem.IsWindows()) _ = Advise(start, length, DoNotNeed);
    }

    private static IOException Failure(string call, string path)
    {
        var code = Marshal.GetLastPInvokeError();
        return new IOException($"{call} of '{path}' failed: {Marshal.GetPInvokeErrorMessage(code)}", code);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FlushDescriptor(int descriptor);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint start, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameLinux(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);

    [LibraryImport("libc", EntryPoint = "renamex_np", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameMac(string oldPath, string newPath, uint flags);
}
