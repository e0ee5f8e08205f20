using System.Text.Json.Nodes;
using Apache.Arrow;
using Apache.Arrow.Compression;
using Apache.Arrow.Ipc;
using Apache.Arrow.Memory;
using PeftNative.Data.Reading;

namespace PeftNative.Columnar;

/// <summary>Arrow IPC files and streams, one batch of records after the other.</summary>
internal sealed class ArrowFormat : DataFormat
{
    private static readonly CompressionCodecFactory Codecs = new();

    public override IReadOnlyList<string> Extensions { get; } = [".arrow", ".feather", ".ipc"];

    public override IEnumerable<RawRecord> Read(Stream file, string path)
    {
        using var reader = Open(file);
        var row = 0L;
        while (Next(reader, path) is { } batch)
        {
            using (batch)
            {
                for (var i = 0; i < batch.Length; i++)
                {
                    var fields = new JsonObject();
                    for (var c = 0; c < batch.ColumnCount; c++)
                        fields[batch.Schema.GetFieldByIndex(c).Name] = ArrowValues.At(batch.Column(c), i, path);
                    yield return new RawRecord(fields, new RecordOrigin(path, ++row));
                }
            }
        }
    }

    public override IReadOnlyDictionary<string, IReadOnlyList<string>> ClassNames(Stream file, string path)
    {
        using var reader = Open(file);
        try
        {
            var about = reader.Schema?.Metadata?.GetValueOrDefault("huggingface");
            return about is null ? base.ClassNames(file, path) : DatasetInfo.ClassNames(about);
        }
        catch (Exception e) when (e is not PeftNativeException and not OutOfMemoryException)
        {
            throw Broken(e, path);
        }
    }

    private static ArrowStreamReader Open(Stream file)
    {
        Span<byte> start = stackalloc byte[6];
        var read = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return start[..read].SequenceEqual("ARROW1"u8)
            ? new ArrowFileReader(file, MemoryAllocator.Default.Value, Codecs, leaveOpen: true)
            : new ArrowStreamReader(file, Codecs, leaveOpen: true);
    }

    private static RecordBatch? Next(ArrowStreamReader reader, string path)
    {
        try
        {
            return reader.ReadNextRecordBatch();
        }
        // The library has no error of its own for broken files: whatever its decoders meet comes out.
        catch (Exception e) when (e is not PeftNativeException and not OutOfMemoryException)
        {
            throw Broken(e, path);
        }
    }

    private static DataException Broken(Exception e, string path) =>
        new($"The file is not in Arrow format, or broken: {e.Message}", path,
            "Check that it was downloaded as a whole.", e);
}
