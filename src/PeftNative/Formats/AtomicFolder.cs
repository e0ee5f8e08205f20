using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;

namespace PeftNative.Formats;

/// <summary>
/// Writes a folder so that its name leads to the whole old content or the whole new one, also after a crash: the files
/// go to a hidden folder <c>.&lt;name&gt;.tmp-*</c> beside it, are flushed to the disk, and the names are exchanged.
/// Where the system cannot exchange names in one step, the old folder waits as <c>.&lt;name&gt;.old-*</c> meanwhile,
/// and <see cref="Recover"/> puts it back after a crash. Readers ignore both kinds of names. One writer per folder at a
/// time.
/// </summary>
public static class AtomicFolder
{
    /// <summary>Replaces or creates a folder.</summary>
    /// <param name="path">The folder; missing ones above it are created.</param>
    /// <param name="fill">Writes the files.</param>
    /// <param name="mayReplace">Tells which names in an existing folder may vanish; by default none, so that only a new
    /// or empty folder is accepted. This protects a user who saves into the wrong folder.</param>
    /// <param name="manifest">Whether to add <c>manifest.json</c> with sizes and hashes; see <see
    /// cref="FolderManifest"/>.</param>
    /// <param name="bytes">The total size, where known: too little free space is then reported before anything is
    /// written.</param>
    /// <param name="files">The file system; the machine's own by default.</param>
    /// <exception cref="UsageException">The folder holds something that may not be replaced.</exception>
    /// <exception cref="StorageException">The disk is full, permission is missing or the like; the old folder is
    /// untouched.</exception>
    public static void Write(string path, Action<FolderWriter> fill, Func<string, bool>? mayReplace = null,
        bool manifest = false, long? bytes = null, IFileSystem? files = null)
    {
        files ??= LocalFileSystem.Instance;
        var target = files.RealPath(path);
        var parent = Path.GetDirectoryName(target)
            ?? throw new UsageException("A root folder cannot be replaced.", path);
        var staging = TemporaryName.For(target);
        try
        {
            files.CreateFolder(parent);
            Settle(files, target);
            CheckReplaceable(files, target, mayReplace);
            if (bytes > files.FreeBytes(parent)) throw StorageErrors.Full(path, bytes, files.FreeBytes(parent));
            var writer = new FolderWriter(files, staging, manifest);
            fill(writer);
            writer.Finish();
            Swap(files, target, ref staging);
        }
        catch (Exception e)
        {
            TemporaryName.TryDelete(() => files.DeleteFolder(staging));
            if (StorageErrors.IsStorage(e)) throw StorageErrors.Writing(path, e, bytes, files.FreeBytes(parent));
            throw;
        }
        AtomicFile.FlushFolder(files, parent, path);
        TemporaryName.TryDelete(() => files.DeleteFolder(staging)); // the old content by now, or nothing
    }

    /// <summary>
    /// Puts back a folder that a crash left set aside. Readers call it when the folder they look for is missing.
    /// </summary>
    /// <returns>Whether there was one to put back.</returns>
    /// <exception cref="StorageException">Renaming was refused.</exception>
    public static bool Recover(string path, IFileSystem? files = null)
    {
        files ??= LocalFileSystem.Instance;
        try
        {
            var target = files.RealPath(path);
            return !files.FolderExists(target) && Aside(files, target) is { } aside && Restore(files, aside, target);
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            throw StorageErrors.Writing(path, e, null, null);
        }
    }

    private static void Swap(IFileSystem files, string target, ref string staging)
    {
        if (!files.FolderExists(target))
        {
            files.MoveFolder(staging, target);
            return;
        }
        if (files.TryExchangeFolders(staging, target)) return;
        var aside = TemporaryName.Mark(target, "old");
        files.MoveFolder(target, aside);
        try
        {
            files.MoveFolder(staging, target);
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            Restore(files, aside, target);
            throw;
        }
        staging = TemporaryName.For(target);
        Retire(files, aside, staging);
    }

    /// <summary>
    /// Clears up after a crash, so that at most one folder is ever set aside and leftovers do not pile up.
    /// </summary>
    private static void Settle(IFileSystem files, string target)
    {
        foreach (var leftover in Beside(files, target, "tmp"))
            TemporaryName.TryDelete(() => files.DeleteFolder(leftover));
        if (Aside(files, target) is not { } aside) return;
        if (!files.FolderExists(target))
        {
            Restore(files, aside, target);
            return;
        }
        var name = TemporaryName.For(target);
        files.MoveFolder(aside, name);
        files.FlushFolder(Path.GetDirectoryName(target)!);
        TemporaryName.TryDelete(() => files.DeleteFolder(name));
    }

    // The new content must be durable before the old one loses the name under which it could be put back.
    private static void Retire(IFileSystem files, string aside, string name)
    {
        TemporaryName.TryDelete(() =>
        {
            files.FlushFolder(Path.GetDirectoryName(aside)!);
            files.MoveFolder(aside, name);
        });
    }

    private static string? Aside(IFileSystem files, string target) => Beside(files, target, "old").FirstOrDefault();

    private static IEnumerable<string> Beside(IFileSystem files, string target, string kind)
    {
        var (parent, prefix) = (Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.{kind}-");
        return files.EntryNames(parent).Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
            .Select(n => Path.Combine(parent, n)).Where(files.FolderExists);
    }

    private static bool Restore(IFileSystem files, string aside, string target)
    {
        files.MoveFolder(aside, target);
        files.FlushFolder(Path.GetDirectoryName(target)!);
        return true;
    }

    private static void CheckReplaceable(IFileSystem files, string target, Func<string, bool>? mayReplace)
    {
        string[] foreign = [.. files.EntryNames(target).Where(n => mayReplace?.Invoke(n) != true).Order()];
        if (foreign.Length == 0) return;
        var names = string.Join(", ", foreign.Take(5)) + (foreign.Length > 5 ? $" and {foreign.Length - 5} more" : "");
        throw new UsageException($"Saving here would delete what the folder holds: {names}.", target,
            "Choose a new or empty folder.");
    }
}
