using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>
/// A JSON file: an array of objects, or an object that holds exactly one array. The bytes of the file are held in
/// memory (at most 1 GB; JSON Lines has no such limit), the records are built one after the other.
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

    public static IEnumerable<RawRecord> Read(Stream stream, string path)
    {
        var file = WholeFile.Read(stream, path, "Convert it to jsonl, which is read line by line.");
        var array = FindArray(file, path);
        var reader = new JsonFileReader(file[array], path, 1 + LineFeeds(file[..array.Start].Span));
        while (reader.Next() is { } record) yield return record;
    }

    private static Range FindArray(ReadOnlyMemory<byte> file, string path)
    {
        if (file.Span.Trim(" \t\r\n"u8).IsEmpty) throw DataFile.Empty(path);
        try
        {
            var reader = new Utf8JsonReader(file.Span, Options);
            reader.Read();
            var arrays = new List<(string Name, Range Bytes)>();
            if (reader.TokenType == JsonTokenType.StartArray) arrays.Add(("", SkipValue(ref reader)));
            else if (reader.TokenType == JsonTokenType.StartObject) FindArrays(ref reader, arrays);
            reader.Read();
            return arrays is [var only] ? only.Bytes : throw NotOneArray(path, arrays.ConvertAll(a => a.Name));
        }
        catch (JsonException e)
        {
            throw new DataException($"The file is not valid JSON: {JsonErrors.Reason(e)}.",
                new RecordOrigin(path, 1 + (e.LineNumber ?? 0)).ToString(),
                "Correct the file; it may have been cut off.", e);
        }
    }

    private static void FindArrays(ref Utf8JsonReader reader, List<(string, Range)> arrays)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = JsonValues.Text(ref reader);
            reader.Read();
            var isArray = reader.TokenType == JsonTokenType.StartArray;
            var bytes = SkipValue(ref reader);
            if (isArray) arrays.Add((name, bytes));
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
