namespace PeftNative.Formats.Text;

/// <summary>Turns what the file system throws into <see cref="StorageException"/>.</summary>
internal static class StorageErrors
{
    // errno values (ENOSPC, EDQUOT on Linux and macOS, EROFS) and Win32 codes (HANDLE_DISK_FULL, DISK_FULL,
    // WRITE_PROTECT).
    private static readonly HashSet<int> NoSpace =
        [28, 122, 69, unchecked((int)0x80070027), unchecked((int)0x80070070)];

    private static readonly HashSet<int> ReadOnly = [30, unchecked((int)0x80070013)];

    public static bool IsStorage(Exception e) => e is IOException or UnauthorizedAccessException;

    public static StorageException NoFolder(string path, Exception? inner = null) =>
        new("There is no such folder.", path, "Check the path.", inner);

    public static StorageException Reading(string path, Exception e) => e switch
    {
        FileNotFoundException => new("There is no such file.", path, "Check the path.", e),
        DirectoryNotFoundException => NoFolder(path, e),
        UnauthorizedAccessException => new("No permission to read this.", path, "Check its permissions.", e),
        _ => new($"Reading failed: {e.Message}", path, null, e),
    };

    public static StorageException Writing(string path, Exception e, long? needed, long? free)
    {
        if (NoSpace.Contains(e.HResult)) return Full(path, needed, free, e);
        if (ReadOnly.Contains(e.HResult))
            return new("The file system is read-only.", path, "Write to another place.", e);
        return e switch
        {
            UnauthorizedAccessException => new("No permission to write here.", path,
                "Check the permissions of the folder, or write to another place.", e),
            DirectoryNotFoundException => new("The folder to write into does not exist.", path, "Create it first.", e),
            _ => new($"Writing failed: {e.Message}", path, "What was there before is untouched.", e),
        };
    }

    public static StorageException Full(string path, long? needed, long? free, Exception? inner = null)
    {
        var need = needed is { } n ? $" {n} bytes are needed" : "";
        var have = free is { } f ? $"{(needed is null ? "" : ",")} {f} bytes are free" : "";
        var detail = need + have == "" ? "." : $":{need}{have}.";
        return new($"The disk is full{detail}", path,
            "Free some space or write to another disk; what was there before is untouched.", inner);
    }
}
