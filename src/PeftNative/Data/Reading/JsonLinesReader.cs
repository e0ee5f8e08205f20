using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>JSON Lines: one object per line, blank lines left out.</summary>
internal static class JsonLinesReader
{
    public static IEnumerable<RawRecord> Read(Stream stream, string path, ICollection<DataException>? badLines)
    {
        var lines = new LineReader(stream, path);
        while (lines.Next())
        {
            if (lines.Line.Span.Trim(" \t\r"u8).IsEmpty) continue;
            JsonObject fields;
            try
            {
                fields = Parse(lines);
            }
            catch (DataException e) when (badLines is not null)
            {
                badLines.Add(e);
                continue;
            }
            yield return new RawRecord(fields, lines.Origin);
        }
    }

    /// <summary>
    /// Whether a file named .json holds JSON Lines after all: its first line is a whole object and another line
    /// follows.
    /// </summary>
    public static bool Recognizes(Stream stream)
    {
        try
        {
            var lines = new LineReader(stream, "");
            while (lines.Next() && lines.Line.Span.Trim(" \t\r"u8).IsEmpty) { }
            if (!lines.Line.Span.TrimStart(" \t"u8).StartsWith("{"u8)) return false;
            Parse(lines);
            while (lines.Next())
            {
                if (lines.Line.Span.TrimStart(" \t\r"u8).StartsWith("{"u8)) return true;
            }
            return false;
        }
        catch (DataException)
        {
            return false;
        }
        finally
        {
            stream.Position = 0;
        }
    }

    private static JsonObject Parse(LineReader lines)
    {
        lines.RequireUtf8();
        try
        {
            var reader = new Utf8JsonReader(lines.Line.Span, new JsonReaderOptions { MaxDepth = JsonValues.MaxDepth });
            reader.Read();
            var value = JsonValues.Read(ref reader);
            reader.Read();
            return value as JsonObject ?? throw NotAnObject(lines, value);
        }
        catch (JsonException e)
        {
            throw Broken(lines, e);
        }
    }

    private static DataException NotAnObject(LineReader lines, JsonNode? value) =>
        new($"The line is not a JSON object: {Excerpt.Of(lines.Line.Span)}", lines.Origin.ToString(), value is JsonArray
            ? "If the whole file is one JSON array, name it .json."
            : """Write each record as one object on one line, such as {"text": "..."}.""");

    private static DataException Broken(LineReader lines, JsonException error)
    {
        var text = lines.Line.Span.TrimEnd(" \t"u8);
        var remedy = text.SequenceEqual("{"u8) || text.SequenceEqual("["u8)
            ? "Each record must be on one line; a file with indented JSON must be named .json."
            : "Correct the line; each line must hold one whole JSON object.";
        return new DataException(
            $"The line is not valid JSON{JsonErrors.Place(error)}: {JsonErrors.Reason(error)}. "
                + $"It begins: {Excerpt.Of(text)}",
            lines.Origin.ToString(), remedy, error);
    }
}

/// <summary>What JSON errors say, without the position counts that the library appends.</summary>
internal static class JsonErrors
{
    public static string Reason(JsonException error)
    {
        var end = error.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        var reason = (end < 0 ? error.Message : error.Message[..end]).TrimEnd('.', ' ');
        return Excerpt.Of(reason) is var shown && reason.Length > 200 ? shown : reason;
    }

    public static string Place(JsonException error) => error.BytePositionInLine is { } at ? $" at byte {at + 1}" : "";
}
