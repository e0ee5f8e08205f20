using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Tools and calls of them, brought from their other spellings into the usual one.</summary>
internal static class ToolCalls
{
    /// <summary>
    /// Makes calls of the content of a message that is one: an object with name and arguments, or several.
    /// </summary>
    /// <exception cref="DataException">The content is no such thing.</exception>
    public static void FromContent(JsonObject message, int number, RecordOrigin origin)
    {
        var content = message["content"];
        var found = content.AsText() is null ? content : RecordJson.Parse(content!);
        JsonNode?[] calls = found is JsonArray list ? [.. list] : [found];
        if (calls.Length == 0 || calls.Any(call => NameOf(call) is null))
            throw new DataException(
                $"Message {number} is no call of a tool: {Excerpt.Of(content?.ToJsonString() ?? "null")}.",
                origin.ToString(),
                """Write calls as {"name": "...", "arguments": {...}}.""");
        message.Remove("content");
        message["tool_calls"] = new JsonArray([.. calls.Select(Call)]);
    }

    /// <summary>Makes <c>tool_calls</c> of <c>function_call</c>.</summary>
    public static void FromOlderSpelling(JsonObject message)
    {
        if (message["tool_calls"] is null && message["function_call"] is JsonObject call)
            message["tool_calls"] = new JsonArray(Call(call));
        message.Remove("function_call");
    }

    /// <summary>Tools as templates expect them: a function on its own becomes a tool of that kind.</summary>
    public static JsonArray Tools(JsonArray tools) => [.. tools.Select(tool =>
        tool is JsonObject function && function["type"].AsText() is not "function" && function["function"] is null
            && function["name"] is not null
            ? new JsonObject { ["type"] = "function", ["function"] = function.DeepClone() } : tool?.DeepClone())];

    private static string? NameOf(JsonNode? call) => call is not JsonObject o ? null
        : (o["name"] ?? (o["function"] as JsonObject)?["name"]).AsText();

    private static JsonNode Call(JsonNode? call) => call!["function"] is JsonObject ? call.DeepClone()
        : new JsonObject { ["type"] = "function", ["function"] = call.DeepClone() };
}
