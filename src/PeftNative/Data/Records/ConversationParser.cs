using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Records of conversations, with what stands beside the messages. Immutable.</summary>
/// <param name="columns">Names in the file that differ from the fields' usual ones.</param>
/// <param name="alternateTurns">Whether a list of texts is turns of user and assistant.</param>
internal sealed class ConversationParser(ColumnMap columns, bool alternateTurns)
{
    /// <summary>A record with <c>messages</c>.</summary>
    /// <exception cref="DataException">It is no conversation.</exception>
    public ConversationRecord Parse(RawRecord record) =>
        Record(record, WithSystem(record, Messages(record, "messages")));

    /// <summary>
    /// A record whose <c>prompt</c> is messages: these are context, and <c>completion</c> holds the turns to learn;
    /// null where the prompt is none.
    /// </summary>
    /// <exception cref="DataException">Prompt or completion are no conversation.</exception>
    public ConversationRecord? ParsePrompt(RawRecord record, bool withoutCompletion)
    {
        if (columns.NameIn(record.Fields, "prompt") is not { } name || record.Fields[name] is not JsonArray)
            return null;
        var prompt = WithSystem(record, Messages(record, "prompt"));
        var turns = withoutCompletion ? [] : Answer(record, "completion");
        return Record(record, [.. prompt.Concat(turns).Select(m => m!.DeepClone())]) with
        {
            PromptMessages = prompt.Count,
        };
    }

    /// <summary>A record with <c>chosen</c> and <c>rejected</c>.</summary>
    /// <exception cref="DataException">They are neither texts nor conversations.</exception>
    public PreferenceRecord ParsePreference(RawRecord record) => new(
        Prompt(record), Answers(record, "chosen"), Answers(record, "rejected"), record.Origin)
    {
        TemplateArguments = TemplateArguments(record),
    };

    /// <summary>A record with a prompt, an answer and whether that is wanted.</summary>
    /// <exception cref="DataException">They are neither texts nor conversations.</exception>
    public UnpairedPreferenceRecord ParseUnpaired(RawRecord record) => new(
        Prompt(record)!, Answers(record, "completion"), ShapeFields.Truth(Require(record, "label"))
            ?? throw WrongType(record, "label", "true or false", Require(record, "label")), record.Origin)
    {
        TemplateArguments = TemplateArguments(record),
    };

    private ConversationRecord Record(RawRecord record, JsonArray messages) =>
        new(messages, record.Origin) { TemplateArguments = TemplateArguments(record) };

    private JsonNode? Prompt(RawRecord record)
    {
        if (Optional(record, "chosen") is JsonObject
            && columns.NameIn(record.Fields, "messages") is not null)
            return WithSystem(record, Messages(record, "messages"));
        if (columns.NameIn(record.Fields, "prompt") is not { } name) return null;
        if (record.Fields[name] is JsonArray) return WithSystem(record, Messages(record, "prompt"));
        var prompt = Answers(record, "prompt");
        // What the system says needs a message of its own, and so does the prompt then.
        return columns.NameIn(record.Fields, ShapeFields.System) is null ? prompt : WithSystem(record,
            [new JsonObject { ["role"] = "user", ["content"] = prompt }]);
    }

    private JsonNode Answers(RawRecord record, string field)
    {
        var node = Require(record, field);
        return node is JsonArray ? Messages(record, field)
            : node is JsonObject ? Conversation.Normalize(new JsonArray(node.DeepClone()), record.Origin)
            : node.AsText() is { } text ? JsonValue.Create(text)
            : throw WrongType(record, field, "a text or a list of messages", node);
    }

    private JsonArray Answer(RawRecord record, string field)
    {
        var node = Require(record, field);
        return node.AsText() is { } text
            ? [new JsonObject { ["role"] = "assistant", ["content"] = text }] : Messages(record, field);
    }

    private JsonArray Messages(RawRecord record, string field) =>
        Conversation.Normalize(Require(record, field), record.Origin, alternateTurns);

    private JsonArray WithSystem(RawRecord record, JsonArray messages)
    {
        if (columns.NameIn(record.Fields, ShapeFields.System) is not { } name) return messages;
        var system = record.Fields[name].AsText()
            ?? throw WrongType(record, ShapeFields.System, "a text", record.Fields[name]);
        if (string.IsNullOrWhiteSpace(system)) return messages;
        if (messages.FirstOrDefault(m => (string?)m!["role"] == "system") is { } given)
            // Said twice in the same words, it is said once.
            return given["content"].AsText() == system ? messages
                : throw Error(record, $"The record has a field '{name}', and a system message.", "Give it once.");
        messages.Insert(0, new JsonObject { ["role"] = "system", ["content"] = system });
        return messages;
    }

    private JsonObject? TemplateArguments(RawRecord record)
    {
        var arguments = JsonOf<JsonObject>(record, ShapeFields.TemplateArguments, "an object") ?? [];
        var tools = JsonOf<JsonArray>(record, ShapeFields.Tools, "a list of tools");
        // In the older spelling these are functions, without what says so around them.
        var isOlder = columns.NameIn(record.Fields, ShapeFields.Tools) is { } name
            && name.Equals("functions", StringComparison.OrdinalIgnoreCase);
        Add(ShapeFields.Tools, tools is not null && isOlder ? ToolCalls.Tools(tools) : tools);
        Add(ShapeFields.Documents, JsonOf<JsonArray>(record, ShapeFields.Documents, "a list of documents"));
        return arguments.Count > 0 ? arguments : null;

        void Add(string field, JsonArray? value)
        {
            if (value is not { Count: > 0 }) return;
            if (!arguments.TryAdd(field, value))
                throw Error(record, $"The record has {field}, and {field} in chat_template_kwargs.",
                    "Give them once.");
        }
    }

    /// <summary>A copy of a list or an object, which may be written as a text that holds it; null where it is
    /// absent.</summary>
    private T? JsonOf<T>(RawRecord record, string field, string wanted) where T : JsonNode
    {
        if (columns.NameIn(record.Fields, field) is not { } name) return null;
        var node = record.Fields[name]!;
        if (node.AsText() is { } text)
            return string.IsNullOrWhiteSpace(text) ? null : RecordJson.Parse(node) as T
                ?? throw WrongType(record, field, wanted + ", or its JSON as a text", node);
        return node is T found ? (T)found.DeepClone() : throw WrongType(record, field, wanted, node);
    }

    private JsonNode Require(RawRecord record, string field) => Optional(record, field)
        ?? throw RecordParser.Missing(record, field);

    private JsonNode? Optional(RawRecord record, string field) =>
        columns.NameIn(record.Fields, field) is { } name ? record.Fields[name] : null;

    private static DataException WrongType(RawRecord record, string field, string wanted, JsonNode? found) =>
        RecordParser.WrongType(record, field, wanted, found);

    private static DataException Error(RawRecord record, string what, string remedy) =>
        RecordParser.Error(record, what, remedy);
}
