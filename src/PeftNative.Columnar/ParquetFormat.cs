using System.Text.Json.Nodes;
using Parquet;
using PeftNative.Data.Reading;

namespace PeftNative.Columnar;

/// <summary>Parquet files, one group of rows after the other.</summary>
internal sealed class ParquetFormat : DataFormat
{
    public override IReadOnlyList<string> Extensions { get; } = [".parquet"];

    public override IEnumerable<RawRecord> Read(Stream file, string path)
    {
        var reader = Open(file, path);
        try
        {
            var row = 0L;
            for (var group = 0; group < reader.RowGroupCount; group++)
            {
                foreach (var fields in ReadGroup(reader, group, path))
                    yield return new RawRecord(fields, new RecordOrigin(path, ++row));
            }
        }
        finally
        {
            reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    public override IReadOnlyDictionary<string, IReadOnlyList<string>> ClassNames(Stream file, string path)
    {
        var reader = Open(file, path);
        var about = reader.CustomMetadata?.GetValueOrDefault("huggingface");
        reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return about is null ? base.ClassNames(file, path) : DatasetInfo.ClassNames(about);
    }

    private static ParquetReader Open(Stream file, string path)
    {
        try
        {
            return ParquetReader.CreateAsync(file, null, leaveStreamOpen: true).GetAwaiter().GetResult();
        }
        catch (Exception e) when (IsOfTheFile(e))
        {
            throw Broken(e, path);
        }
    }

    private static IEnumerable<JsonObject> ReadGroup(ParquetReader reader, int number, string path)
    {
        ParquetColumns columns;
        long count;
        try
        {
            using var group = reader.OpenRowGroupReader(number);
            count = group.RowCount;
            columns = new ParquetColumns(reader.Schema, group);
        }
        catch (Exception e) when (IsOfTheFile(e))
        {
            throw Broken(e, path);
        }
        for (long i = 0; i < count; i++)
        {
            JsonObject record;
            try
            {
                record = columns.Next();
            }
            catch (Exception e) when (IsOfTheFile(e))
            {
                throw Broken(e, path);
            }
            yield return record;
        }
    }

    // The library has no error of its own for broken files: whatever its decoders meet comes out.
    private static bool IsOfTheFile(Exception e) => e is not PeftNativeException and not OutOfMemoryException;

    private static DataException Broken(Exception e, string path) =>
        new($"The file is not in Parquet format, or broken: {e.Message}", path,
            "Check that it was downloaded as a whole.", e);
}
