using System.Text;
using PeftNative.Formats.Storage;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>
/// A file system in memory that can refuse, or lose power, at its n-th operation (a file's write counts twice: after
/// half of its bytes, and at its end). It knows what is on the disk and what is only in the cache.
/// </summary>
internal sealed class SimulatedDisk(bool canExchange) : IFileSystem
{
    private sealed class Folder
    {
        public Dictionary<string, object> Entries = [], Durable = [];
        public readonly List<Action<Dictionary<string, object>>> Pending = [];

        public void Change(Action<Dictionary<string, object>> change)
        {
            change(Entries);
            Pending.Add(change);
        }

        public void Settle(Dictionary<string, object> entries)
        {
            (Entries, Durable) = (entries, new(entries));
            Pending.Clear();
        }
    }

    private sealed class Content
    {
        public List<byte> Bytes = [];
        public byte[] Durable = [];
    }

    /// <summary>The process is gone; nothing it does afterwards has an effect.</summary>
    public sealed class PowerLost : Exception;

    /// <summary>
    /// What of the cache reached the disk before the power went: everything, names but no contents, or nothing.
    /// </summary>
    public enum Survives
    {
        Everything,
        NamesOnly,
        FlushedOnly,
    }

    private readonly Folder _root = new();
    private bool _off;

    /// <summary>How many operations that change something were asked for so far.</summary>
    public int Operations { get; private set; }

    /// <summary>The operation at which something happens; 0 for never.</summary>
    public int FailAt { get; set; }

    /// <summary>The failure: an error of the file system, or null for a loss of power.</summary>
    public Func<Exception>? Failure { get; set; }

    public long? Free { get; set; }

    /// <summary>How many changes of a folder's names are only in the cache.</summary>
    public int PendingIn(string path) => FolderAt(path).Pending.Count;

    /// <summary>
    /// Starts again after a loss of power with what survived. Where <paramref name="reordered"/> is a folder, of its
    /// changes since its last flush only those of the bits in <paramref name="mask"/> survived, as on a disk that
    /// reorders them.
    /// </summary>
    public void Restart(Survives survives, string? reordered = null, int mask = 0)
    {
        if (reordered is not null)
        {
            var folder = FolderAt(reordered);
            var entries = new Dictionary<string, object>(folder.Durable);
            foreach (var (i, change) in folder.Pending.Index())
                if ((mask >> i & 1) != 0) change(entries);
            folder.Settle(entries);
        }
        Restart(_root, survives);
        (_off, FailAt, Operations) = (false, 0, 0);
    }

    private static void Restart(Folder folder, Survives survives)
    {
        folder.Settle(survives == Survives.FlushedOnly ? new(folder.Durable) : folder.Entries);
        foreach (var entry in folder.Entries.Values)
            if (entry is Folder below) Restart(below, survives);
            else if (entry is Content content && survives != Survives.Everything)
                content.Bytes = [.. content.Durable];
    }

    /// <summary>Everything below a folder as lines of path and text; null where the folder is missing.</summary>
    public string? Dump(string path)
    {
        if (Find(path) is not Folder folder) return null;
        var lines = folder.Entries.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => e.Value is Content content
            ? $"{e.Key}={Encoding.UTF8.GetString(content.Bytes.ToArray())}"
            : $"{e.Key}/({Dump(Path.Combine(path, e.Key))})");
        return string.Join(' ', lines);
    }

    public string? Text(string path) =>
        Find(path) is Content content ? Encoding.UTF8.GetString(content.Bytes.ToArray()) : null;

    public Stream CreateFile(string path) => Do(() =>
    {
        var content = new Content();
        if (Find(path) is not null) throw new IOException("exists");
        Parent(path).Change(names => names[Path.GetFileName(path)] = content);
        return new FailingStream(this, content);
    });

    public void FlushFile(Stream stream) => Do(() => ((FailingStream)stream).Flushed());

    public void FlushFolder(string path) => Do(() =>
    {
        var folder = FolderAt(path);
        folder.Settle(folder.Entries);
    });

    public void CreateFolder(string path) => Do(() =>
    {
        var folder = _root;
        foreach (var part in Parts(path))
        {
            var fresh = new Folder();
            if (!folder.Entries.ContainsKey(part)) folder.Change(names => names[part] = fresh);
            folder = (Folder)folder.Entries[part];
        }
    });

    public void ReplaceFile(string from, string to) => Do(() => Move(from, to, replace: true));

    public void MoveFolder(string from, string to) => Do(() => Move(from, to, replace: false));

    public bool TryExchangeFolders(string one, string other) => canExchange && Do(() =>
    {
        var (left, right) = (FolderAt(one), FolderAt(other));
        Parent(one).Change(names => (names[Path.GetFileName(one)], names[Path.GetFileName(other)]) = (right, left));
        return true;
    });

    public void DeleteFile(string path) => Do(() => Parent(path).Change(names => names.Remove(Path.GetFileName(path))));

    // Not in one step: a crash half-way leaves some of the files.
    public void DeleteFolder(string path)
    {
        var folder = FolderAt(path);
        foreach (var (name, entry) in folder.Entries.ToList())
            if (entry is Folder) DeleteFolder(Path.Combine(path, name));
            else DeleteFile(Path.Combine(path, name));
        Do(() => Parent(path).Change(names => names.Remove(Path.GetFileName(path))));
    }

    public bool FolderExists(string path) => Find(path) is Folder;

    public IReadOnlyList<string> EntryNames(string path) => Find(path) is Folder folder ? [.. folder.Entries.Keys] : [];

    public string RealPath(string path) => path;

    public long? FreeBytes(string folder) => Free;

    private void Move(string from, string to, bool replace)
    {
        if (Find(from) is not { } entry) throw new FileNotFoundException("nothing to move", from);
        if (!replace && Find(to) is not null) throw new IOException("exists");
        Assert.Equal(Path.GetDirectoryName(from), Path.GetDirectoryName(to)); // else it would not be one change
        Parent(from).Change(names =>
        {
            if (names.Remove(Path.GetFileName(from))) names[Path.GetFileName(to)] = entry;
        });
    }

    private void Do(Action act) => Do(() =>
    {
        act();
        return true;
    });

    private T Do<T>(Func<T> act)
    {
        if (_off) throw new PowerLost();
        if (++Operations != FailAt) return act();
        if (Failure is not null) throw Failure();
        _off = true;
        throw new PowerLost();
    }

    private static string[] Parts(string path) =>
        path.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);

    private object? Find(string path)
    {
        object? at = _root;
        foreach (var part in Parts(path)) at = (at as Folder)?.Entries.GetValueOrDefault(part);
        return at;
    }

    private Folder FolderAt(string path) => Find(path) as Folder ?? throw new DirectoryNotFoundException(path);

    private Folder Parent(string path) => FolderAt(Path.GetDirectoryName(path)!);

    private sealed class FailingStream(SimulatedDisk disk, Content content) : MemoryStream
    {
        public void Flushed() => content.Durable = content.Bytes.ToArray();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            var bytes = buffer.ToArray();
            disk.Do(() => content.Bytes.AddRange(bytes[..(bytes.Length / 2)]));
            disk.Do(() => content.Bytes.AddRange(bytes[(bytes.Length / 2)..]));
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    }
}
