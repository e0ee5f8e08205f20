using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace PeftNative.Data.Reading;

/// <summary>Objects of a stream: the entries of one array, or values one after the other.</summary>
internal static class JsonValuesReader
{
    /// <summary>The entries of the array that the stream holds.</summary>
    public static IEnumerable<RawRecord> ReadArray(
        Stream stream, string path, ICollection<DataException>? badLines)
    {
        var scanner = new JsonScanner(stream, path);
        scanner.Peek();
        scanner.Skip(); // the bracket
        for (var next = scanner.Peek(); next != ']'; next = scanner.Peek())
        {
            if (next < 0) throw CutOff(scanner);
            if (Next(scanner, badLines) is { } record) yield return record;
            var after = scanner.Peek();
            if (after == ',')
            {
                scanner.Skip();
                if (scanner.Peek() == ']') throw NotValid(scanner, "a comma stands before the end of the array");
            }
            else if (after != ']')
            {
                throw after < 0 ? CutOff(scanner) : NotValid(scanner, "a comma between two records is missing");
            }
        }
        scanner.Skip();
        if (scanner.Peek() >= 0) throw NotValid(scanner, "something follows the end of the array");
    }

    /// <summary>Values one after the other, with nothing but white space between them.</summary>
    public static IEnumerable<RawRecord> ReadValues(
        Stream stream, string path, ICollection<DataException>? badLines)
    {
        var scanner = new JsonScanner(stream, path);
        while (scanner.Peek() >= 0)
        {
            if (Next(scanner, badLines) is { } record) yield return record;
        }
    }

    private static RawRecord? Next(JsonScanner scanner, ICollection<DataException>? badLines)
    {
        var (origin, offset) = (scanner.Origin, scanner.Offset);
        var value = scanner.Value();
        try
        {
            return new RawRecord(Parse(value.Span, origin), origin) { Offset = offset };
        }
        catch (DataException e) when (badLines is not null)
        {
            badLines.Add(e);
            return null;
        }
    }

    /// <summary>The object that some bytes are.</summary>
    /// <exception cref="DataException">They are none, or are not valid.</exception>
    public static JsonObject Parse(ReadOnlySpan<byte> bytes, RecordOrigin origin)
    {
        if (!Utf8.IsValid(bytes)) throw LineReader.NotUtf8(bytes, origin);
        try
        {
            var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { MaxDepth = JsonValues.MaxDepth });
            reader.Read();
            var value = JsonValues.Read(ref reader);
            reader.Read();
            return value as JsonObject ?? throw new DataException(
                $"A record is not an object: {Excerpt.Of(value?.ToJsonString() ?? "null")}",
                origin.ToString(), """Write each record as an object, such as {"text": "..."}.""");
        }
        catch (JsonException e)
        {
            throw new DataException($"The record is not valid JSON: {JsonErrors.Reason(e)}. "
                + $"It begins: {Excerpt.Of(bytes)}", origin.ToString(), JsonErrors.Remedy(bytes), e);
        }
    }

    private static DataException CutOff(JsonScanner scanner) =>
        new("The file is not valid JSON: the array has no end.", scanner.Origin.ToString(),
            "Correct the file; it may have been cut off.");

    private static DataException NotValid(JsonScanner scanner, string why) =>
        new($"The file is not valid JSON: {why}.", scanner.Origin.ToString(), "Correct the file.");
}
