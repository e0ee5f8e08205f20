using System.Text.Json.Nodes;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;

namespace PeftNative.Data.Preparation;

/// <summary>A row in tokens.</summary>
/// <param name="Ids">Token ids [time].</param>
/// <param name="Completion">Which tokens are the completion's; null where there is none.</param>
/// <param name="Assistant">Which tokens are the assistant's; null where nobody asked.</param>
/// <param name="Labels">Labels that the row brings; null for none.</param>
internal sealed record TrlRow(int[] Ids, bool[]? Completion = null, bool[]? Assistant = null, int[]? Labels = null);

/// <summary>
/// From rows to tokens as TRL goes: whole texts and conversations, and where a completion begins in them.
/// </summary>
internal sealed class TrlTokens
{
    private readonly ITokenizer _tokenizer;
    private readonly IChatTemplate? _template;
    private readonly TrlOptions _options;
    private readonly string? _end;

    public TrlTokens(ITokenizer tokenizer, IChatTemplate? template, TrlOptions options)
    {
        (_tokenizer, _template, _options) = (tokenizer, template, options);
        if (options.EndToken is { } token && tokenizer.IdOf(token) is null)
            throw new UsageException($"The tokenizer has no token '{token}'.", "eos_token", "Name one that it has.");
        _end = options.EndToken ?? (tokenizer.EndOfSequenceId is { } id
            ? tokenizer.Decode([id], skipSpecialTokens: false) : null);
    }

    /// <summary>The tokens of a row.</summary>
    public TrlRow Of(RawRecord row)
    {
        if (row.Fields["input_ids"] is JsonArray ids)
            return new TrlRow(Numbers(ids), Flags(row, "completion_mask"), Flags(row, "assistant_masks"),
                row.Fields["labels"] is JsonArray labels ? Numbers(labels) : null);
        if (row.Fields["prompt"] is { } prompt) return Completion(row, prompt);
        if ((row.Fields["messages"] ?? row.Fields["conversations"]) is { } messages)
        {
            var (tokens, assistant) = Chat(row, Messages(row, messages), addGenerationPrompt: false);
            return new TrlRow(tokens, null, assistant);
        }
        RequireNoAssistantOnly(row);
        var text = Text(row, row.Fields[_options.TextField], _options.TextField);
        return new TrlRow(_tokenizer.Encode(WithEnd(text)).Ids);
    }

    private TrlRow Completion(RawRecord row, JsonNode prompt)
    {
        var completion = row.Fields["completion"] ?? throw Missing(row, "completion");
        if (prompt is JsonArray && completion is JsonArray)
        {
            var (before, after) = (Messages(row, prompt), Messages(row, completion));
            var asked = Chat(row, before, addGenerationPrompt: true).Ids;
            JsonArray all = [.. before.Concat(after).Select(m => m!.DeepClone())];
            var (ids, assistant) = Chat(row, all, addGenerationPrompt: false);
            return new TrlRow(ids, After(asked, ids), assistant);
        }
        RequireNoAssistantOnly(row);
        var (first, answer) = (Text(row, prompt, "prompt"), Text(row, completion, "completion"));
        // A text beside them gets the end token in their place, although it is not used.
        if (!row.Fields.ContainsKey(_options.TextField)) answer = WithEnd(answer);
        var whole = _tokenizer.Encode(first + answer).Ids;
        return new TrlRow(whole, After(_tokenizer.Encode(first).Ids, whole));
    }

    /// <summary>What comes behind the tokens that both have in common.</summary>
    private static bool[] After(int[] prompt, int[] whole)
    {
        var common = prompt.AsSpan().CommonPrefixLength(whole);
        return [.. whole.Select((_, i) => i >= common)];
    }

    private (int[] Ids, bool[]? Assistant) Chat(RawRecord row, JsonArray messages, bool addGenerationPrompt)
    {
        var template = _template ?? throw new UsageException("Messages need a chat template, and there is none.",
            row.Origin.ToString(), "Take a tokenizer that has one.");
        var chat = template.Render(messages, addGenerationPrompt, Arguments(row));
        var tokens = _tokenizer.Encode(chat.Text, addSpecialTokens: false);
        if (!_options.AssistantOnly || addGenerationPrompt) return (tokens.Ids, null);
        var marked = SpanTokens.Of(chat.AssistantSpans, tokens.Starts, tokens.Ends);
        return marked.Contains(true) ? (tokens.Ids, marked) : throw new DataException(
            "Nothing of the conversation is marked as the assistant's.", row.Origin.ToString(),
            "assistant_only_loss needs a chat template with {% generation %}, and a turn of the assistant in every "
                + "record.");
    }

    private static JsonObject? Arguments(RawRecord row)
    {
        var arguments = (row.Fields["chat_template_kwargs"]?.DeepClone() as JsonObject) ?? [];
        if (row.Fields["tools"] is { } tools) arguments["tools"] = RecordJson.Parse(tools) ?? tools.DeepClone();
        return arguments.Count > 0 ? arguments : null;
    }

    /// <summary>
    /// The messages; <c>from</c> and <c>value</c> get their usual names, the speakers stay as they are.
    /// </summary>
    private static JsonArray Messages(RawRecord row, JsonNode node)
    {
        if (node is not JsonArray { Count: > 0 } messages)
            throw new DataException("The conversation has no messages.", row.Origin.ToString(), "Give some.");
        return [.. messages.Select(m => m is JsonObject message ? Renamed(message) : throw new DataException(
            "A message is not an object.", row.Origin.ToString(), "Write messages with role and content."))];

        static JsonObject Renamed(JsonObject message) => new(message.Select(m => KeyValuePair.Create(
            m.Key switch { "from" => "role", "value" => "content", var key => key }, m.Value?.DeepClone())));
    }

    private void RequireNoAssistantOnly(RawRecord row)
    {
        if (_options.AssistantOnly)
            throw new UsageException("assistant_only_loss is for conversations, and these are texts.",
                row.Origin.ToString(), "Leave it out.");
    }

    private string WithEnd(string text) =>
        _end is null || text.EndsWith(_end, StringComparison.Ordinal) ? text : text + _end;

    private static string Text(RawRecord row, JsonNode? node, string field) =>
        node.AsText() ?? throw Missing(row, field);

    private static DataException Missing(RawRecord row, string field) => new(
        $"The record has no text '{field}'.", row.Origin.ToString(),
        "Prepared as TRL does, records have text, prompt + completion, messages, conversations or input_ids.");

    private static int[] Numbers(JsonArray list) => [.. list.Select(n => n!.GetValue<int>())];

    private static bool[]? Flags(RawRecord row, string field) =>
        row.Fields[field] is JsonArray list ? [.. Numbers(list).Select(n => n != 0)] : null;
}
