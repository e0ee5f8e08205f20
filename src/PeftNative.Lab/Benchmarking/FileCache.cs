using System.Runtime.InteropServices;

namespace PeftNative.Lab.Benchmarking;

/// <summary>The system's cache of files. Stateless and thread-safe.</summary>
internal static partial class FileCache
{
    private const int DoNotNeed = 4; // POSIX_FADV_DONTNEED of Linux

    /// <summary>
    /// Drops a file from the cache, so that it is read from the disk next; false where the system does not. Pages that
    /// a process has mapped stay.
    /// </summary>
    public static bool Drop(string path)
    {
        if (!OperatingSystem.IsLinux()) return false;
        using var file = File.OpenHandle(path);
        return Advise((int)file.DangerousGetHandle(), 0, 0, DoNotNeed) == 0;
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(int descriptor, long offset, long length, int advice);
}
