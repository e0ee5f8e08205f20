using System.Text.Json.Nodes;

namespace PeftNative.Data;

/// <summary>
/// Conversations for causal language modelling: the model's chat template makes one text, of which the assistant's
/// turns are trained. They are where the template marks them; where it marks nothing, they are what a turn adds to the
/// text that asks for it.
/// </summary>
internal sealed class ConversationEncoder(ITokenizer tokenizer, EncodingOptions options)
{
    private readonly IChatTemplate _template = options.ChatTemplate ?? throw new UsageException(
        "Conversations need a chat template, and the tokenizer has none.", null,
        "Give one, or use prompt + completion records.");

    public Example Encode(ConversationRecord record)
    {
        if (options.ForPrediction) return EncodePrompt(record);
        if (!record.Messages.Any(IsAssistant))
            throw new DataException("The conversation has no turn of the assistant.", record.Origin.ToString(),
                "There is nothing to learn from it; leave it out.");
        var chat = _template.Render(record.Messages);
        var spans = chat.AssistantSpans.Count > 0 ? chat.AssistantSpans : SpansByPrefix(record, chat.Text);
        var tokens = tokenizer.Encode(chat.Text, addSpecialTokens: false);
        var row = new TokenRow()
            .Append(tokens, i => !options.MaskPrompt || spans.Any(span => Touches(tokens, i, span)));
        if (options.AppendEndOfSequence && IsAssistant(record.Messages[^1]) && !Ends(tokens, spans[^1]))
            row.EndWith(tokenizer.EndOfSequenceId);
        return row.Cut(options.MaxLength).ToExample(record.Origin, row.Length > options.MaxLength);
    }

    /// <summary>The turns up to where the assistant is to speak.</summary>
    private Example EncodePrompt(ConversationRecord record)
    {
        var turns = record.Messages.Count;
        while (turns > 0 && IsAssistant(record.Messages[turns - 1])) turns--;
        var text = _template.Render(First(record.Messages, turns), addGenerationPrompt: true).Text;
        var row = new TokenRow().Append(tokenizer.Encode(text, addSpecialTokens: false), _ => false);
        return row.Cut(options.MaxLength).ToExample(record.Origin, row.Length > options.MaxLength, withLabels: false);
    }

    /// <summary>
    /// Whether a token has part in a turn; one that begins with the space before the turn does, as in transformers.
    /// </summary>
    private static bool Touches(TokenSequence tokens, int i, (int Start, int End) turn) =>
        tokens.Starts[i] < turn.End && (tokens.Starts[i] >= turn.Start || tokens.Ends[i] > turn.Start);

    /// <summary>Whether the last turn already has the end token, as templates that end turns with it give.</summary>
    private bool Ends(TokenSequence tokens, (int Start, int End) turn)
    {
        for (var i = 0; i < tokens.Ids.Length; i++)
        {
            if (tokens.Ids[i] == tokenizer.EndOfSequenceId && tokens.Starts[i] >= turn.Start) return true;
        }
        return false;
    }

    private List<(int Start, int End)> SpansByPrefix(ConversationRecord record, string text)
    {
        var spans = new List<(int, int)>();
        for (var turn = 0; turn < record.Messages.Count; turn++)
        {
            if (!IsAssistant(record.Messages[turn])) continue;
            var before = First(record.Messages, turn);
            var end = PrefixLength(text, _template.Render(First(record.Messages, turn + 1)).Text);
            // The opening of the turn is given to the model; a template without one has only the turns before.
            var start = PrefixLength(text, _template.Render(before, addGenerationPrompt: true).Text)
                ?? (turn == 0 ? 0 : PrefixLength(text, _template.Render(before).Text));
            if (start is null || end is null || start > end) throw Undecidable(record, turn);
            spans.Add((start.Value, end.Value));
        }
        return spans;
    }

    private static int? PrefixLength(string text, string prefix) =>
        text.StartsWith(prefix, StringComparison.Ordinal) ? prefix.Length : null;

    private static DataException Undecidable(ConversationRecord record, int turn) =>
        new("The chat template writes earlier turns differently once later ones follow, "
                + $"so message {turn + 1} cannot be found in the text.",
            record.Origin.ToString(),
            "Mark the assistant's turns in the template with {% generation %}, or give one answer per record.");

    private static JsonArray First(JsonArray messages, int count) =>
        new([.. messages.Take(count).Select(m => m?.DeepClone())]);

    private static bool IsAssistant(JsonNode? message) => message?["role"]?.GetValue<string>() == "assistant";
}
