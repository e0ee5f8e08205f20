using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>JSON inside of records: a text that holds a list or an object.</summary>
internal static class RecordJson
{
    /// <summary>The text of a node; null for anything else.</summary>
    public static string? AsText(this JsonNode? node) =>
        node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    /// <summary>What the text holds; null where it is no JSON, or the node no text.</summary>
    public static JsonNode? Parse(JsonNode node)
    {
        if (node.AsText() is not { } text) return null;
        var reader = new Utf8JsonReader(System.Text.Encoding.UTF8.GetBytes(text), new JsonReaderOptions
        {
            MaxDepth = JsonValues.MaxDepth,
        });
        try
        {
            if (!reader.Read()) return null;
            var value = JsonValues.Read(ref reader);
            return reader.Read() ? null : value;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The JSON of a node on one line, spaced as Python's <c>json.dumps</c> has it, other letters as they
    /// are.</summary>
    public static string Write(JsonNode? node) => node switch
    {
        JsonObject map => "{" + string.Join(", ", map.Select(p => $"{Leaf(p.Key)}: {Write(p.Value)}")) + "}",
        JsonArray list => "[" + string.Join(", ", list.Select(Write)) + "]",
        _ => node.AsText() is { } text ? Leaf(text) : node?.ToJsonString() ?? "null",
    };

    private static string Leaf(string text) =>
        "\"" + string.Concat(text.Select(c => c switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\b' => "\\b",
            '\f' => "\\f",
            < ' ' => $"\\u{(int)c:x4}",
            _ => c.ToString(),
        })) + "\"";
}
