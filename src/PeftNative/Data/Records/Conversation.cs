using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Brings conversations into the form chat templates expect.</summary>
internal static class Conversation
{
    /// <summary>
    /// A copy in which every message has <c>role</c> and <c>content</c>; <c>from</c> and <c>value</c> are renamed and
    /// their speakers (human, gpt…) become roles. Other keys stay.
    /// </summary>
    public static JsonArray Normalize(JsonNode node, RecordOrigin origin)
    {
        if (node is not JsonArray { Count: > 0 } messages)
            throw Error($"The conversation must be a list of messages, not {Excerpt.Of(node.ToJsonString())}.", origin);
        return new JsonArray([.. messages.Select((message, i) => Normalize(message, i + 1, origin))]);
    }

    /// <summary>Whether a message is the assistant's.</summary>
    public static bool IsAssistant(JsonNode? message) => message is JsonObject turn
        && Text(turn, "role") == "assistant";

    /// <summary>Whether a message is a turn of the assistant that is not switched off.</summary>
    public static bool IsTrained(JsonNode? message) =>
        IsAssistant(message) && Switch((JsonObject)message!, "train") != false
            && Switch((JsonObject)message!, "weight") != false;

    /// <summary>Whether a turn is on, which it is where the message does not say; null for what makes no
    /// sense.</summary>
    private static bool? Switch(JsonObject message, string key) => message[key] switch
    {
        null => true,
        JsonValue value when value.TryGetValue<bool>(out var on) => on,
        JsonValue value when value.GetValueKind() == JsonValueKind.Number => value.ToJsonString() switch
        {
            "0" or "0.0" => false,
            "1" or "1.0" => true,
            _ => null,
        },
        _ => null,
    };

    private static JsonObject Normalize(JsonNode? node, int number, RecordOrigin origin)
    {
        if (node is not JsonObject message) throw Error($"Message {number} is not an object.", origin);
        var result = (JsonObject)message.DeepClone();
        if (Rename(result, "from", "role") && Text(result, "role") is { } speaker) result["role"] = RoleOf(speaker);
        Rename(result, "value", "content");
        if (string.IsNullOrEmpty(Text(result, "role"))) throw Error($"Message {number} has no role.", origin);
        if (!result.TryGetPropertyValue("content", out var content) && result["tool_calls"] is null)
            throw Error($"Message {number} has no content.", origin);
        if (Switch(result, "train") is null || Switch(result, "weight") is null)
            throw Error($"In message {number}, 'train' must be true or false, and 'weight' 0 or 1.", origin);
        return content is null or JsonArray || Text(result, "content") is not null
            ? result
            : throw Error($"The content of message {number} is neither text nor a list of parts.", origin);
    }

    private static bool Rename(JsonObject message, string from, string to)
    {
        if (message.ContainsKey(to) || !message.ContainsKey(from)) return false;
        message[to] = message[from]?.DeepClone();
        return message.Remove(from);
    }

    private static string? Text(JsonObject message, string key) =>
        message[key] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static string RoleOf(string speaker) => speaker.ToLowerInvariant() switch
    {
        "human" => "user",
        "gpt" or "chatgpt" or "bot" or "model" => "assistant",
        "function" or "observation" => "tool",
        var role => role,
    };

    private static DataException Error(string what, RecordOrigin origin) =>
        new(what, origin.ToString(), """Write messages as {"role": "user", "content": "..."}.""");
}
