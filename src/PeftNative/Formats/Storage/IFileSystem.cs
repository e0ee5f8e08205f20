namespace PeftNative.Formats.Storage;

/// <summary>
/// The few operations by which files are written, so that tests can fail or crash at each of them. Everything throws
/// <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/> as the BCL does. Used by several threads at
/// once.
/// </summary>
public interface IFileSystem
{
    /// <summary>Creates a file that must not exist and opens it for writing, without a buffer.</summary>
    Stream CreateFile(string path);

    /// <summary>Makes sure that what was written to a stream of <see cref="CreateFile"/> is on the disk.</summary>
    void FlushFile(Stream stream);

    /// <summary>Makes sure that the names in a folder (creations, renames, deletions) are on the disk.</summary>
    void FlushFolder(string path);

    /// <summary>Creates a folder and those above it; no error where it exists.</summary>
    void CreateFolder(string path);

    /// <summary>Renames a file, replacing what has the new name, in one step.</summary>
    void ReplaceFile(string from, string to);

    /// <summary>Renames a folder to a name that is free.</summary>
    void MoveFolder(string from, string to);

    /// <summary>
    /// Swaps the names of two folders in one step; false, and nothing done, where the system has no such call.
    /// </summary>
    bool TryExchangeFolders(string one, string other);

    /// <summary>Deletes a file; no error where there is none.</summary>
    void DeleteFile(string path);

    /// <summary>Deletes a folder and what is in it.</summary>
    void DeleteFolder(string path);

    /// <summary>Whether there is a folder of this name.</summary>
    bool FolderExists(string path);

    /// <summary>The names of the files and folders in a folder; none where there is no such folder.</summary>
    IReadOnlyList<string> EntryNames(string path);

    /// <summary>The absolute path of a folder; where its name is a link, that of the folder linked to.</summary>
    string RealPath(string path);

    /// <summary>
    /// The bytes a user may still write where <paramref name="folder"/> lies, or null where that is unknown.
    /// </summary>
    long? FreeBytes(string folder);
}
