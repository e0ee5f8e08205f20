using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Brings conversations into the form chat templates expect.</summary>
internal static class Conversation
{
    // Names of the two keys of a message, and of what says whether a turn is trained.
    private static readonly string[] Roles = ["role", "from", "speaker"], Contents = ["content", "value", "text"],
        Switches = ["train", "train_on_turn", "trainable", "loss", "weight"];

    /// <summary>
    /// A copy in which every message has a <c>role</c>, and <c>content</c> or <c>tool_calls</c>. Other names of these
    /// keys and of speakers (human, gpt…) give way to the usual ones, parts of text to one text, and calls in the
    /// older spelling to <c>tool_calls</c>. Other keys stay.
    /// </summary>
    /// <param name="node">The list of messages, or its JSON as a text.</param>
    /// <param name="origin">Where it was read.</param>
    /// <param name="alternates">Whether a list of texts is turns of user and assistant, by turns.</param>
    /// <exception cref="DataException">It is no conversation.</exception>
    public static JsonArray Normalize(JsonNode node, RecordOrigin origin, bool alternates = false)
    {
        var messages = node as JsonArray ?? RecordJson.Parse(node) as JsonArray;
        if (messages is not { Count: > 0 })
            throw Error($"The conversation must be a list of messages, not {Excerpt.Of(node.ToJsonString())}.", origin);
        if (messages.All(m => m.AsText() is not null)) messages = Alternate(messages, origin, alternates);
        return new JsonArray([.. messages.Select((message, i) => Normalize(message, i + 1, origin))]);
    }

    /// <summary>Whether a message is the assistant's.</summary>
    public static bool IsAssistant(JsonNode? message) => message is JsonObject turn
        && turn["role"].AsText() == "assistant";

    /// <summary>
    /// Whether a message of a record is a turn of the assistant to learn: behind the prompt, and not switched off.
    /// </summary>
    public static bool IsTrained(ConversationRecord record, int message) =>
        message >= record.PromptMessages && IsAssistant(record.Messages[message])
            && Switches.All(key => Switch((JsonObject)record.Messages[message]!, key) != false);

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

    private static JsonArray Alternate(JsonArray texts, RecordOrigin origin, bool alternates) => alternates
        ? [.. texts.Select((text, i) => new JsonObject
        {
            ["role"] = i % 2 == 0 ? "user" : "assistant", ["content"] = text!.DeepClone(),
        })]
        : throw new DataException("The conversation is a list of texts, which do not say who speaks.",
            origin.ToString(), "With --alternate_turns they are turns of user and assistant, by turns.");

    private static JsonObject Normalize(JsonNode? node, int number, RecordOrigin origin)
    {
        if (node is not JsonObject message) throw Error($"Message {number} is not an object.", origin);
        var result = (JsonObject)message.DeepClone();
        Rename(result, Roles);
        Rename(result, Contents);
        if (result["role"].AsText() is not { Length: > 0 } speaker)
            throw Error($"Message {number} has no role.", origin);
        if (Switches.FirstOrDefault(key => Switch(result, key) is null) is { } wrong)
            throw Error(wrong == "weight" ? $"In message {number}, 'weight' must be 0 or 1."
                : $"In message {number}, '{wrong}' must be true or false.", origin);
        result["role"] = RoleOf(speaker);
        if (IsCall(speaker)) ToolCalls.FromContent(result, number, origin);
        ToolCalls.FromOlderSpelling(result);
        ReadContent(result, number, origin);
        return result;
    }

    private static void ReadContent(JsonObject message, int number, RecordOrigin origin)
    {
        if (message["content"] is not { } content)
        {
            if (!message.ContainsKey("content") && message["tool_calls"] is null)
                throw Error($"Message {number} has no content.", origin);
        }
        else if (content is JsonArray parts && (message["role"].AsText() != "tool" || parts.All(IsPart)))
            message["content"] = string.Concat(parts.Select(part => TextOf(part, number, origin)));
        // What a tool gives back need not be text.
        else if (content.AsText() is null && message["role"].AsText() == "tool")
            message["content"] = RecordJson.Write(content);
        else if (content.AsText() is null)
            throw Error($"The content of message {number} is neither text nor a list of parts.", origin);
    }

    private static bool IsPart(JsonNode? part) =>
        part.AsText() is not null || part is JsonObject o && o["type"] is not null;

    private static string TextOf(JsonNode? part, int number, RecordOrigin origin)
    {
        if ((part.AsText() ?? (part as JsonObject)?["text"].AsText()) is { } text) return text;
        var type = (part as JsonObject)?["type"].AsText();
        throw new DataException(type is null
                ? $"Message {number} has a part that is no text: {Excerpt.Of(part?.ToJsonString() ?? "null")}."
                : $"Message {number} has a part of the type '{type}', and what is trained here reads text only.",
            origin.ToString(), "Leave such records out, or replace the part by a text.");
    }

    /// <summary>Gives a key its usual name, the first of its names, upper and lower case aside.</summary>
    private static void Rename(JsonObject message, string[] names)
    {
        if (message.ContainsKey(names[0])) return;
        foreach (var name in names)
        {
            var found = message.Select(m => m.Key).FirstOrDefault(
                key => key.Equals(name, StringComparison.OrdinalIgnoreCase));
            if (found is null) continue;
            var value = message[found]?.DeepClone();
            message.Remove(found);
            message[names[0]] = value;
            return;
        }
    }

    private static bool IsCall(string speaker) => speaker.ToLowerInvariant() is "function_call" or "tool_call";

    private static string RoleOf(string speaker) => speaker.ToLowerInvariant() switch
    {
        "human" or "prompter" => "user",
        "gpt" or "chatgpt" or "bot" or "model" or "ai" or "function_call" or "tool_call" => "assistant",
        "function" or "observation" or "tool_response" or "function_response" => "tool",
        var role and ("user" or "assistant" or "system" or "tool" or "developer") => role,
        _ => speaker, // a role of the template's own
    };

    private static DataException Error(string what, RecordOrigin origin) =>
        new(what, origin.ToString(), """Write messages as {"role": "user", "content": "..."}.""");
}
