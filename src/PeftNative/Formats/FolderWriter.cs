using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;

namespace PeftNative.Formats;

/// <summary>
/// Writes the files of one <see cref="AtomicFolder"/>. Names may lead into sub-folders (<c>a/b.json</c>).
/// Used by one thread at a time.
/// </summary>
public sealed class FolderWriter
{
    private readonly IFileSystem _files;
    private readonly string _root;
    private readonly JsonObject? _manifest;
    private readonly SortedSet<string> _folders;

    internal FolderWriter(IFileSystem files, string root, bool manifest)
    {
        (_files, _root, _manifest) = (files, root, manifest ? [] : null);
        _folders = new(StringComparer.Ordinal) { root };
        files.CreateFolder(root);
    }

    /// <summary>Where the files lie until the folder takes its place.</summary>
    internal string Root => _root;

    /// <summary>Writes a file; the stream has no buffer, so write in large pieces.</summary>
    /// <exception cref="ArgumentException">The name is taken, reserved or leads out of the folder.</exception>
    public void WriteFile(string name, Action<Stream> write)
    {
        if (_manifest is not null && name == FolderManifest.FileName)
            throw new ArgumentException("manifest.json is written by the folder itself.", nameof(name));
        Create(name, write);
    }

    /// <summary>Writes a text file (UTF-8 without a byte order mark).</summary>
    public void WriteText(string name, string text) =>
        WriteFile(name, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>Writes a safetensors file.</summary>
    public void WriteTensors(string name, SafetensorsWriter tensors) => WriteFile(name, tensors.WriteTo);

    internal void Finish()
    {
        if (_manifest is not null)
        {
            var text = FolderManifest.Text(_manifest);
            Create(FolderManifest.FileName, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        }
        foreach (var folder in _folders.Reverse()) _files.FlushFolder(folder); // the deepest first
    }

    private void Create(string name, Action<Stream> write)
    {
        var parts = name.Split('/');
        if (parts.Any(p => p is "" or "." or ".." || p.AsSpan().IndexOfAny('\\', ':', '\0') >= 0))
            throw new ArgumentException($"'{name}' is not a name in the folder.", nameof(name));
        var folder = _root;
        foreach (var part in parts[..^1])
            if (_folders.Add(folder = Path.Combine(folder, part))) _files.CreateFolder(folder);
        using var hash = _manifest is null ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = _files.CreateFile(Path.Combine(folder, parts[^1]));
        var measured = new MeasuredStream(stream, hash);
        write(measured);
        _files.FlushFile(stream);
        if (hash is not null) _manifest!.Add(name, FolderManifest.Entry(measured.Position, hash.GetHashAndReset()));
    }
}
