using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Turns raw records of one shape into checked ones. Immutable; safe to use from several threads.</summary>
/// <param name="shape">The shape all records have.</param>
/// <param name="columns">Names in the file that differ from the fields' usual ones.</param>
/// <param name="template">How instructions become prompts.</param>
/// <param name="forPrediction">Whether records may lack what is to be learned.</param>
/// <param name="alternateTurns">Whether a conversation that is a list of texts is turns of user and assistant.</param>
public sealed class RecordParser(
    RecordShape shape, ColumnMap? columns = null, InstructionTemplate? template = null, bool forPrediction = false,
    bool alternateTurns = false)
{
    private readonly ColumnMap _columns = columns ?? ColumnMap.Default;
    private readonly InstructionTemplate _template = template ?? InstructionTemplate.Default;
    private readonly string? _target = ShapeFields.Of(shape).Target;

    private ConversationParser Conversations => new(_columns, alternateTurns);

    /// <summary>Checks a record and takes its fields.</summary>
    /// <exception cref="DataException">A field is missing, null or of the wrong type.</exception>
    public DataRecord Parse(RawRecord record)
    {
        var parsed = ParseFields(record);
        return forPrediction && _columns.NameIn(record.Fields, ShapeFields.Adapter) is { } name
            ? parsed with { Adapter = record.Fields[name]!.ToString() } : parsed;
    }

    private DataRecord ParseFields(RawRecord record) => shape switch
    {
        RecordShape.Text => new TextRecord(Text(record, "text"), null, null, record.Origin),
        RecordShape.TextLabel => new TextRecord(Text(record, "text"), null, Label(record), record.Origin),
        RecordShape.TextPairLabel =>
            new TextRecord(Text(record, "text"), Text(record, "text_pair"), Label(record), record.Origin),
        RecordShape.PromptCompletion => PromptCompletion(record),
        RecordShape.SourceTarget => new PromptRecord(Text(record, "source"), Target(record), record.Origin),
        RecordShape.Instruction => new PromptRecord(
            _template.Render(Text(record, "instruction"), OptionalText(record, "input")), Target(record),
            record.Origin),
        RecordShape.Messages => Conversations.Parse(record),
        RecordShape.Preference => Conversations.ParsePreference(record),
        RecordShape.UnpairedPreference => Conversations.ParseUnpaired(record),
        RecordShape.TokensTags => Tagged(record),
        _ => throw new ArgumentOutOfRangeException(nameof(record), shape, "There is no such shape."),
    };

    private DataRecord PromptCompletion(RawRecord record)
    {
        if (Conversations.ParsePrompt(record, IsAbsentTarget(record)) is { } conversation) return conversation;
        var system = OptionalText(record, ShapeFields.System);
        return new PromptRecord(Text(record, "prompt"), Target(record), record.Origin)
        {
            System = string.IsNullOrWhiteSpace(system) ? null : system,
        };
    }

    private TaggedRecord Tagged(RawRecord record)
    {
        var tokens = Items(record, "tokens", text => text,
            node => node is JsonValue v && v.TryGetValue<string>(out var t) ? t : null);
        var tags = IsAbsentTarget(record)
            ? null
            : Items(record, "tags", LabelValue.FromText, LabelValue.FromJson);
        if (tokens.Count == 0) throw Error(record, "The record has no tokens.", "Leave the record out.");
        if (tags is not null && tags.Count != tokens.Count)
        {
            throw Error(record, $"The record has {tokens.Count} tokens, but {tags.Count} tags.",
                "Give one tag per token.");
        }
        return new TaggedRecord(tokens, tags, record.Origin);
    }

    /// <summary>The entries of a list; in csv and tsv the words of a text.</summary>
    private List<T> Items<T>(
        RawRecord record, string field, Func<string, T> ofWord, Func<JsonNode?, T?> ofNode) where T : class
    {
        var node = Require(record, field);
        if (record.IsDelimited)
            return [.. node.GetValue<string>().Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(ofWord)];
        if (node is not JsonArray array) throw WrongType(record, field, "a list", node);
        var wanted = field == "tags" ? "a text or a number" : "a text";
        return [.. array.Select(item => ofNode(item) ?? throw WrongType(record, field + "[]", wanted, item))];
    }

    private LabelValue? Label(RawRecord record)
    {
        if (IsAbsentTarget(record)) return null;
        var node = Require(record, "label");
        if (!record.IsDelimited)
            return LabelValue.FromJson(node)
                ?? throw WrongType(record, "label", "a text, a number or a list of these", node);
        var text = node.GetValue<string>();
        return text.Length > 0
            ? LabelValue.FromText(text)
            : throw Error(record, "The label is empty.", "Fill it in or leave the record out.");
    }

    private string? Target(RawRecord record) => IsAbsentTarget(record) ? null : Text(record, _target!);

    private bool IsAbsentTarget(RawRecord record) => forPrediction && _columns.NameIn(record.Fields, _target!) is null;

    private string Text(RawRecord record, string field)
    {
        var node = Require(record, field);
        return node is JsonValue value && value.TryGetValue<string>(out var text)
            ? text
            : throw WrongType(record, field, "a text", node);
    }

    private string? OptionalText(RawRecord record, string field) =>
        _columns.NameIn(record.Fields, field) is null ? null : Text(record, field);

    private JsonNode Require(RawRecord record, string field)
    {
        if (_columns.NameIn(record.Fields, field) is { } name) return record.Fields[name]!;
        throw Missing(record, field);
    }

    /// <summary>The error of a record that lacks a field.</summary>
    internal static DataException Missing(RawRecord record, string field)
    {
        var names = string.Join(", ", record.Fields.Select(f => f.Value is null ? $"{f.Key} (null)" : f.Key));
        return Error(record, $"The record has no '{field}'; it has {Excerpt.Of(names, 200)}.",
            "Add the field, or map its name with columns.");
    }

    /// <summary>The error of a field that holds something else.</summary>
    internal static DataException WrongType(RawRecord record, string field, string wanted, JsonNode? found) =>
        Error(record, $"The field '{field}' must be {wanted}, not {Excerpt.Of(found?.ToJsonString() ?? "null")}.",
            "Correct the record.");

    /// <summary>An error at the place of a record.</summary>
    internal static DataException Error(RawRecord record, string what, string remedy) =>
        new(what, record.Origin.ToString(), remedy);
}
