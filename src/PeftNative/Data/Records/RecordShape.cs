namespace PeftNative.Data.Records;

/// <summary>The kinds of records a data file can hold.</summary>
public enum RecordShape
{
    /// <summary><c>text</c>: plain text.</summary>
    Text,

    /// <summary><c>prompt</c> and <c>completion</c>.</summary>
    PromptCompletion,

    /// <summary><c>instruction</c>, optionally <c>input</c>, and <c>output</c>.</summary>
    Instruction,

    /// <summary>
    /// <c>messages</c>: a conversation of <c>role</c> and <c>content</c>; also <c>conversations</c> of <c>from</c> and
    /// <c>value</c>; optionally <c>tools</c> and <c>chat_template_kwargs</c> for the chat template.
    /// </summary>
    Messages,

    /// <summary><c>text</c> and <c>label</c>.</summary>
    TextLabel,

    /// <summary>
    /// <c>text</c>, <c>text_pair</c> and <c>label</c>; also sentence1 and sentence2, premise and hypothesis.
    /// </summary>
    TextPairLabel,

    /// <summary><c>tokens</c> and <c>tags</c>: words and a tag for each.</summary>
    TokensTags,

    /// <summary><c>source</c> and <c>target</c>: a text and what to make of it.</summary>
    SourceTarget,
}

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

    /// <summary>The field of a conversation with what its first message, the system's, says.</summary>
    public const string System = "system";

    /// <summary>The field of a conversation with further variables for the chat template.</summary>
    public const string TemplateArguments = "chat_template_kwargs";

    /// <summary>All shapes, the one that explains more of a record's fields first.</summary>
    public static readonly ShapeFields[] All =
    [
        new(RecordShape.Messages, ["messages"], null, [System, Tools, TemplateArguments]),
        new(RecordShape.PromptCompletion, ["prompt"], "completion", []),
        new(RecordShape.Instruction, ["instruction"], "output", ["input"]),
        new(RecordShape.SourceTarget, ["source"], "target", []),
        new(RecordShape.TokensTags, ["tokens"], "tags", []),
        new(RecordShape.TextPairLabel, ["text", "text_pair"], "label", []),
        new(RecordShape.TextLabel, ["text"], "label", []),
        new(RecordShape.Text, ["text"], null, []),
    ];

    private static readonly Dictionary<string, string[]> OtherNames = new()
    {
        ["messages"] = ["conversations"],
        ["text"] = ["sentence1", "premise", "sentence"],
        ["text_pair"] = ["sentence2", "hypothesis"],
        ["label"] = ["labels"],
        ["tags"] = ["ner_tags"],
    };

    public static ShapeFields Of(RecordShape shape) => All.First(s => s.Shape == shape);

    /// <summary>The names under which a field is looked for, the canonical one first.</summary>
    public static IEnumerable<string> NamesOf(string field) => [field, .. OtherNames.GetValueOrDefault(field, [])];

    /// <summary>The field of any shape that names the adapter to use.</summary>
    public const string Adapter = "adapter";

    /// <summary>Every canonical field name.</summary>
    public static IEnumerable<string> Fields => All.SelectMany(s => s.Required.Concat(s.Optional)).Distinct()
        .Append(Adapter);

    public IEnumerable<string> Required => Target is null ? Inputs : [.. Inputs, Target];

    public override string ToString() => string.Join(" + ", Required);
}
