using System.Text.Json;

namespace PeftNative.Data.Reading;

/// <summary>How records stand in a JSON file.</summary>
internal enum JsonForm
{
    /// <summary>An object on each line.</summary>
    Lines,

    /// <summary>Objects one after the other, over several lines or several on one.</summary>
    Values,

    /// <summary>One array of objects.</summary>
    Array,

    /// <summary>One object that holds arrays of objects.</summary>
    Object,
}

/// <summary>Tells the form from the beginning of a file; its name decides only where both forms would do.</summary>
internal static class JsonForms
{
    /// <summary>The form of a file.</summary>
    public static JsonForm Of(DataContent content)
    {
        var isLines = DataPath.Extension(content.Path) is ".jsonl" or ".ndjson";
        using var stream = content.Open();
        var lines = new LineReader(stream, content.Path);
        while (lines.Next() && lines.Line.Span.Trim(" \t\r"u8).IsEmpty) { }
        var first = lines.Line.Span.Trim(" \t\r"u8);
        if (first.StartsWith("["u8)) return JsonForm.Array;
        if (!first.StartsWith("{"u8)) return isLines ? JsonForm.Lines : JsonForm.Object;
        return Begins(first) switch
        {
            Beginning.Whole => isLines || AnotherObject(lines) ? JsonForm.Lines : JsonForm.Object,
            Beginning.Several => JsonForm.Values,
            Beginning.Part => isLines || SecondValue(content) ? JsonForm.Values : JsonForm.Object,
            _ => isLines || AnotherObject(lines) ? JsonForm.Lines : JsonForm.Object,
        };
    }

    private enum Beginning { Whole, Several, Part, Broken }

    // Whether a line is a whole object, several, or the first part of one whose rest stands on further lines.
    private static Beginning Begins(ReadOnlySpan<byte> line)
    {
        byte[] bytes = [.. line, (byte)'\n'];
        try
        {
            var options = new JsonReaderOptions { MaxDepth = JsonValues.MaxDepth, AllowMultipleValues = true };
            var reader = new Utf8JsonReader(bytes, isFinalBlock: false, new JsonReaderState(options));
            if (!reader.Read() || !reader.TrySkip()) return Beginning.Part;
            var rest = line[Math.Min(line.Length, (int)reader.BytesConsumed)..].TrimStart(" \t"u8);
            return rest.IsEmpty ? Beginning.Whole : rest.StartsWith("{"u8) ? Beginning.Several : Beginning.Broken;
        }
        catch (JsonException)
        {
            return Beginning.Broken;
        }
    }

    private static bool AnotherObject(LineReader lines)
    {
        while (lines.Next())
        {
            if (lines.Line.Span.TrimStart(" \t\r"u8).StartsWith("{"u8)) return true;
        }
        return false;
    }

    private static bool SecondValue(DataContent content)
    {
        using var stream = content.Open();
        var scanner = new JsonScanner(stream, content.Path);
        scanner.Peek();
        try
        {
            scanner.Value();
        }
        catch (DataException)
        {
            return false; // an object larger than a record holds an array
        }
        return scanner.Peek() == '{';
    }
}
