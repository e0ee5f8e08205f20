using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>
/// A JSON object that holds arrays of records. The bytes of the file are held in memory (at most 1 GB; JSON Lines and
/// arrays have no such limit), the records are built one after the other.
/// </summary>
internal sealed class JsonFileReader
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = JsonValues.MaxDepth };

    private readonly ReadOnlyMemory<byte> _array;
    private readonly string _path;
    private JsonReaderState _state = new(Options);
    private int _position, _countedTo;
    private long _line;

    private JsonFileReader(ReadOnlyMemory<byte> array, string path, long line) =>
        (_array, _path, _line) = (array, path, line);

    /// <summary>Reads one of the arrays.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="path">Its name.</param>
    /// <param name="array">The name of the array; null for the only one, or the one to train on.</param>
    public static IEnumerable<RawRecord> Read(Stream stream, string path, string? array)
    {
        var file = WholeFile.Read(stream, path, "Convert it to jsonl, which is read line by line.");
        var bytes = Choose(Arrays(file, path), path, array);
        var reader = new JsonFileReader(file[bytes], path, 1 + LineFeeds(file[..bytes.Start].Span));
        while (reader.Next() is { } record) yield return record;
    }

    /// <summary>The names of all arrays of records.</summary>
    public static IReadOnlyList<string> Names(Stream stream, string path) =>
        [.. Arrays(WholeFile.Read(stream, path, "Convert it to jsonl."), path).Where(a => a.HasRecords)
            .Select(a => a.Name)];

    private static Range Choose(List<Found> arrays, string path, string? name)
    {
        if (name is not null)
        {
            return arrays.Find(a => a.Name == name)?.Bytes ?? throw new DataException(
                $"The JSON object has no array '{name}'.", path,
                $"It has {string.Join(", ", arrays.Select(a => a.Name).Take(10))}.");
        }
        if (arrays is [var only]) return only.Bytes;
        var holding = arrays.FindAll(a => a.HasRecords);
        return (holding is [var single] ? single : DataSplits.ToTrain(holding, a => a.Name))?.Bytes
            ?? throw NotOneArray(path, arrays.ConvertAll(a => a.Name));
    }

    private static List<Found> Arrays(ReadOnlyMemory<byte> file, string path)
    {
        if (file.Span.Trim(" \t\r\n"u8).IsEmpty) throw DataFile.Empty(path);
        try
        {
            var reader = new Utf8JsonReader(file.Span, Options);
            reader.Read();
            var arrays = new List<Found>();
            if (reader.TokenType == JsonTokenType.StartObject) FindArrays(ref reader, arrays, file.Span);
            else reader.Skip();
            reader.Read();
            return arrays.Count > 0 ? arrays : throw NotOneArray(path, []);
        }
        catch (JsonException e)
        {
            throw new DataException($"The file is not valid JSON: {JsonErrors.Reason(e)}.",
                new RecordOrigin(path, 1 + (e.LineNumber ?? 0)).ToString(),
                JsonErrors.Remedy(file.Span[..Math.Min(file.Length, 1000)],
                    "Correct the file; it may have been cut off."), e);
        }
    }

    private sealed record Found(string Name, Range Bytes, bool HasRecords);

    private static void FindArrays(ref Utf8JsonReader reader, List<Found> arrays,
        ReadOnlySpan<byte> file)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = JsonValues.Text(ref reader);
            reader.Read();
            var isArray = reader.TokenType == JsonTokenType.StartArray;
            var bytes = SkipValue(ref reader);
            if (!isArray) continue;
            var first = file[bytes].Slice(1).TrimStart(" \t\r\n"u8);
            arrays.Add(new Found(name, bytes, first is [(byte)'{' or (byte)']', ..]));
        }
    }

    private static Range SkipValue(ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return start..(int)reader.BytesConsumed;
    }

    private static DataException NotOneArray(string path, List<string> names) => new(names.Count == 0
            ? "The JSON file holds no array of records."
            : $"The JSON object holds several arrays: {string.Join(", ", names.Take(10))}.",
        path, """Give an array of objects, or an object with one array, such as {"data": [{"text": "..."}]}.""");

    private RawRecord? Next()
    {
        var reader = new Utf8JsonReader(_array.Span[_position..], true, _state);
        reader.Read();
        if (_position == 0) reader.Read();   // past the bracket that opens the array
        if (reader.TokenType == JsonTokenType.EndArray) return null;
        var origin = OriginOf(_position + (int)reader.TokenStartIndex);
        try
        {
            var value = JsonValues.Read(ref reader);
            _position += (int)reader.BytesConsumed;
            _state = reader.CurrentState;
            return value is JsonObject fields
                ? new RawRecord(fields, origin)
                : throw new DataException(
                    $"An entry of the array is not an object: {Excerpt.Of(value?.ToJsonString() ?? "null")}",
                    origin.ToString(), """Write each record as an object, such as {"text": "..."}.""");
        }
        catch (JsonException e)
        {
            throw new DataException(
                $"The record is not valid: {JsonErrors.Reason(e)}.", origin.ToString(), "Correct the record.", e);
        }
    }

    private RecordOrigin OriginOf(int position)
    {
        _line += LineFeeds(_array.Span[_countedTo..position]);
        _countedTo = position;
        return new RecordOrigin(_path, _line);
    }

    private static int LineFeeds(ReadOnlySpan<byte> bytes) => bytes.Count((byte)'\n');
}
