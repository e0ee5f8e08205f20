using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

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
                fields = Parse(lines.Line.Span, lines.Origin);
            }
            catch (DataException e) when (badLines is not null)
            {
                badLines.Add(e);
                continue;
            }
            yield return new RawRecord(fields, lines.Origin) { Offset = lines.Offset };
        }
    }

    /// <summary>The object on a line.</summary>
    /// <exception cref="DataException">The line is none.</exception>
    public static JsonObject Parse(ReadOnlySpan<byte> line, RecordOrigin origin)
    {
        if (!Utf8.IsValid(line)) throw LineReader.NotUtf8(line, origin);
        try
        {
            var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = JsonValues.MaxDepth });
            reader.Read();
            var value = JsonValues.Read(ref reader);
            reader.Read();
            return value as JsonObject ?? throw new DataException(
                $"The line is not a JSON object: {Excerpt.Of(line)}", origin.ToString(),
                """Write each record as one object on one line, such as {"text": "..."}.""");
        }
        catch (JsonException e)
        {
            throw Broken(line, origin, e);
        }
    }

    private static DataException Broken(ReadOnlySpan<byte> line, RecordOrigin origin, JsonException error)
    {
        var text = line.TrimEnd(" \t"u8);
        return new DataException(
            $"The line is not valid JSON{JsonErrors.Place(error)}: {JsonErrors.Reason(error)}. "
                + $"It begins: {Excerpt.Of(text)}",
            origin.ToString(),
            JsonErrors.Remedy(text, "Correct the line; each line must hold one whole JSON object."), error);
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

    /// <summary>What to do about broken JSON.</summary>
    public static string Remedy(ReadOnlySpan<byte> text, string otherwise = "Correct the record.") =>
        LooksLikePython(text)
            ? "It looks like a Python literal ('single quotes', None, True). Write it with json.dumps."
            : HasBareNumber(text) ? "NaN and Infinity are no JSON: give a number, or leave the record out." : otherwise;

    /// <summary>Whether names or texts stand in single quotes, as repr() of Python writes them.</summary>
    public static bool LooksLikePython(ReadOnlySpan<byte> text) =>
        text.TrimStart("[ \t\r\n"u8) is [(byte)'{', .. var rest] && rest.TrimStart(" \t\r\n"u8) is [(byte)'\'', ..];

    private static bool HasBareNumber(ReadOnlySpan<byte> text) =>
        text.IndexOf(": NaN"u8) >= 0 || text.IndexOf(":NaN"u8) >= 0 || text.IndexOf("Infinity"u8) >= 0;

    public static string Place(JsonException error) => error.BytePositionInLine is { } at ? $" at byte {at + 1}" : "";
}
