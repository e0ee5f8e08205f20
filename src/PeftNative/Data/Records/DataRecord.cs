using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>A record whose fields have been checked and understood. Immutable by convention.</summary>
/// <param name="Origin">Where it was read.</param>
public abstract record DataRecord(RecordOrigin Origin)
{
    /// <summary>
    /// In data to predict on, the field <c>adapter</c>: the name of the adapter to use; null for none.
    /// </summary>
    public string? Adapter { get; init; }
}

/// <summary>A record as the file has it, for preparations that read it in their own way.</summary>
public sealed record UncheckedRecord(RawRecord Raw) : DataRecord(Raw.Origin);

/// <summary>A text or a pair of texts, with its label where it has one.</summary>
public sealed record TextRecord(string Text, string? Pair, LabelValue? Label, RecordOrigin Origin) : DataRecord(Origin);

/// <summary>A text to start from and what should follow; no completion in data to predict on.</summary>
public sealed record PromptRecord(string Prompt, string? Completion, RecordOrigin Origin) : DataRecord(Origin)
{
    /// <summary>
    /// What a system message says before the prompt; with it, the record is a conversation where there is a chat
    /// template. Null for none.
    /// </summary>
    public string? System { get; init; }
}

/// <summary>A conversation: objects with <c>role</c> and <c>content</c>, as chat templates expect them.</summary>
public sealed record ConversationRecord(JsonArray Messages, RecordOrigin Origin) : DataRecord(Origin)
{
    /// <summary>
    /// What the chat template gets beside the messages: <c>tools</c>, <c>documents</c>, and the entries of
    /// <c>chat_template_kwargs</c>; null for nothing.
    /// </summary>
    public JsonObject? TemplateArguments { get; init; }

    /// <summary>How many of the first messages are context only, whoever speaks; 0 where any turn is learned.</summary>
    public int PromptMessages { get; init; }
}

/// <summary>A better and a worse answer; each a text or messages.</summary>
/// <param name="Prompt">What both answer; null where it is the beginning that both share.</param>
/// <param name="Chosen">The better answer.</param>
/// <param name="Rejected">The worse answer.</param>
/// <param name="Origin">Where it was read.</param>
public sealed record PreferenceRecord(JsonNode? Prompt, JsonNode Chosen, JsonNode Rejected, RecordOrigin Origin)
    : DataRecord(Origin)
{
    /// <summary>What the chat template gets beside the messages; null for nothing.</summary>
    public JsonObject? TemplateArguments { get; init; }
}

/// <summary>An answer and whether it is wanted; prompt and answer are texts or messages.</summary>
/// <param name="Prompt">What is answered.</param>
/// <param name="Completion">The answer.</param>
/// <param name="IsDesirable">Whether it is wanted.</param>
/// <param name="Origin">Where it was read.</param>
public sealed record UnpairedPreferenceRecord(
    JsonNode Prompt, JsonNode Completion, bool IsDesirable, RecordOrigin Origin) : DataRecord(Origin)
{
    /// <summary>What the chat template gets beside the messages; null for nothing.</summary>
    public JsonObject? TemplateArguments { get; init; }
}

/// <summary>Words and a tag for each; no tags in data to predict on.</summary>
public sealed record TaggedRecord(
    IReadOnlyList<string> Tokens, IReadOnlyList<LabelValue>? Tags, RecordOrigin Origin) : DataRecord(Origin);
