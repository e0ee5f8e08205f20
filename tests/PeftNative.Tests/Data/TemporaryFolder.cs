using System.Text;
using PeftNative.Data.Records;

namespace PeftNative.Tests.Data;

/// <summary>A folder of its own for a test, deleted at its end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("peftnative-data-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public string Root => _path;

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public RecordSource Open(string name, string text, RecordOptions? options = null) =>
        RecordSource.Open(Write(name, text), options);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
