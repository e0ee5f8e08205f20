using System.Text.Json.Nodes;

namespace PeftNative.Data.Records;

/// <summary>The fields of each shape.</summary>
/// <param name="Shape">The shape.</param>
/// <param name="Inputs">Fields every record must have.</param>
/// <param name="Target">
/// The field that holds what is to be learned; null for plain text and conversations. Data to predict on may lack it.
/// </param>
/// <param name="Optional">Fields a record may have.</param>
internal sealed record ShapeFields(RecordShape Shape, string[] Inputs, string? Target, string[] Optional)
{
    /// <summary>The field of a conversation with the tools that the assistant may call.</summary>
    public const string Tools = "tools";

    /// <summary>The field of a conversation with the texts that the assistant may look things up in.</summary>
    public const string Documents = "documents";

    /// <summary>The field of a conversation with what its first message, the system's, says.</summary>
    public const string System = "system";

    /// <summary>The field of a conversation with further variables for the chat template.</summary>
    public const string TemplateArguments = "chat_template_kwargs";

    /// <summary>The field of any shape that names the adapter to use.</summary>
    public const string Adapter = "adapter";

    private static readonly string[] BesideMessages = [System, Tools, Documents, TemplateArguments];

    /// <summary>All shapes, the one that explains more of a record's fields first.</summary>
    public static readonly ShapeFields[] All =
    [
        new(RecordShape.Messages, ["messages"], null, BesideMessages),
        new(RecordShape.Preference, ["chosen", "rejected"], null, ["prompt", .. BesideMessages]),
        new(RecordShape.UnpairedPreference, ["prompt", "completion", "label"], null, BesideMessages),
        new(RecordShape.Instruction, ["instruction"], "output", ["input"]),
        new(RecordShape.PromptCompletion, ["prompt"], "completion", BesideMessages),
        new(RecordShape.SourceTarget, ["source"], "target", []),
        new(RecordShape.TokensTags, ["tokens"], "tags", []),
        new(RecordShape.TextPairLabel, ["text", "text_pair"], "label", []),
        new(RecordShape.TextLabel, ["text"], "label", []),
        new(RecordShape.Text, ["text"], null, []),
    ];

    private static readonly Dictionary<string, string[]> OtherNames = new()
    {
        ["messages"] = ["conversations", "conversation", "dialog", "dialogue", "dialogs", "chat", "turns"],
        [System] = ["system_prompt", "system_message"],
        [Tools] = ["functions"],
        ["prompt"] = ["question", "query", "input", "problem", "user", "human", "instruction"],
        ["completion"] = ["response", "answer", "output", "ideal_response", "solution", "reply", "assistant"],
        ["chosen"] = ["chosen_response"],
        ["rejected"] = ["rejected_response"],
        ["source"] = ["article", "document", "dialogue"],
        ["target"] = ["highlights", "summary"],
        ["input"] = ["context"],
        ["output"] = ["response", "answer"],
        ["text"] = ["sentence1", "question1", "premise", "sentence", "content", "review", "comment",
            "tweet"],
        ["text_pair"] = ["sentence2", "question2", "hypothesis"],
        ["label"] = ["labels", "sentiment", "emotion", "intent", "class", "category", "topic"],
        ["tokens"] = ["words"],
        ["tags"] = ["ner_tags", "pos_tags", "labels"],
    };

    /// <summary>The fields of a shape.</summary>
    public static ShapeFields Of(RecordShape shape) => All.First(s => s.Shape == shape);

    /// <summary>The names under which a field is looked for, the canonical one first.</summary>
    public static string[] NamesOf(string field) => [field, .. OtherNames.GetValueOrDefault(field, [])];

    /// <summary>Every canonical field name.</summary>
    public static IEnumerable<string> Fields => All.SelectMany(s => s.Required.Concat(s.Optional)).Distinct()
        .Append(Adapter);

    /// <summary>The fields a record to learn from must have.</summary>
    public IEnumerable<string> Required => Target is null ? Inputs : [.. Inputs, Target];

    /// <summary>Whether what stands in a field can be what the shape has there.</summary>
    public bool Takes(string field, JsonNode value) => (Shape, field) switch
    {
        // A dialogue may be a text to sum up, and a label beside an answer the name of a class.
        (RecordShape.Messages, "messages") => value is JsonArray || Text(value)?.TrimStart() is ['[', ..],
        (RecordShape.UnpairedPreference, "label") => Truth(value) is not null,
        _ => true,
    };

    /// <summary>A truth value, also as the text that csv has for it; null for anything else.</summary>
    public static bool? Truth(JsonNode? value) => value is JsonValue single && single.TryGetValue<bool>(out var truth)
        ? truth : bool.TryParse(Text(value), out truth) ? truth : null;

    /// <inheritdoc/>
    public override string ToString() => string.Join(" + ", Required);

    private static string? Text(JsonNode? value) =>
        value is JsonValue single && single.TryGetValue<string>(out var text) ? text : null;
}
