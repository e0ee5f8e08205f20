using System.Text.Json.Nodes;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>What a conversation has and its chat template does not write.</summary>
internal static class TemplateLosses
{
    private static readonly string[] Thoughts = ["reasoning_content", "reasoning", "thinking"];

    /// <summary>
    /// The names of the fields that are nowhere in the text: thoughts and calls of its trained turns, what the system
    /// says, tools and documents. Each name once.
    /// </summary>
    public static IReadOnlyList<string> Of(ConversationRecord record, TrainedText chat)
    {
        var lost = new List<string>();
        foreach (var turn in chat.Turns)
        {
            var message = (JsonObject)record.Messages[turn.Message]!;
            foreach (var name in Thoughts) Look(name, message[name].AsText());
            foreach (var call in message["tool_calls"] as JsonArray ?? []) Look("tool_calls", NameOf(call));
        }
        foreach (var message in record.Messages.OfType<JsonObject>().Where(m => m["role"].AsText() == "system"))
            Look("system", message["content"].AsText());
        foreach (var tool in record.TemplateArguments?[ShapeFields.Tools] as JsonArray ?? [])
            Look(ShapeFields.Tools, NameOf(tool));
        foreach (var document in record.TemplateArguments?[ShapeFields.Documents] as JsonArray ?? [])
            Look(ShapeFields.Documents, (document as JsonObject)?["text"].AsText());
        return lost;

        void Look(string name, string? text)
        {
            if (string.IsNullOrWhiteSpace(text) || lost.Contains(name)) return;
            if (!chat.Text.Contains(text.Trim(), StringComparison.Ordinal)) lost.Add(name);
        }
    }

    private static string? NameOf(JsonNode? tool) =>
        ((tool as JsonObject)?["function"] as JsonObject ?? tool as JsonObject)?["name"].AsText();
}
