using System.Text.Json.Nodes;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>
/// Conversations for causal language modelling: the model's chat template makes their texts, of which the assistant's
/// turns are trained (<see cref="TrainedText"/>).
/// </summary>
internal sealed class ConversationEncoder(ITokenizer tokenizer, EncodingOptions options)
{
    private readonly IChatTemplate _template = options.ChatTemplate ?? throw new UsageException(
        "Conversations need a chat template, and the tokenizer has none.", null,
        "Give one, or use prompt + completion records.");

    private readonly TemplateFit _fit = new(options.ChatTemplate);

    /// <summary>The examples of a conversation: one, or several where the template writes earlier turns
    /// differently.</summary>
    /// <exception cref="RefusedRecordException">The template refuses it, or no turn is to be trained.</exception>
    public IReadOnlyList<Example> Encode(ConversationRecord record)
    {
        if (!options.ForPrediction) CheckTurns(record);
        record = record with
        {
            Messages = _fit.Apply(record.Messages), TemplateArguments = Arguments(record.TemplateArguments),
        };
        try
        {
            return EncodeFitted(record);
        }
        catch (PeftNativeException e) when (e is DataException or ModelFormatException)
        {
            if (TemplateFit.Completed(record) is not { } completed) throw Refused(e);
            try
            {
                return EncodeFitted(completed);
            }
            catch (PeftNativeException again) when (again is DataException or ModelFormatException)
            {
                throw Refused(e);
            }
        }
    }

    private static RefusedRecordException Refused(PeftNativeException e) =>
        new($"The chat template refuses the conversation: {e.What}", e);

    private IReadOnlyList<Example> EncodeFitted(ConversationRecord record) => options.ForPrediction
        ? [EncodePrompt(record)] : [.. TrainedText.Of(record, _template).Select(text => Encode(record, text))];

    private JsonObject? Arguments(JsonObject? ofRecord)
    {
        if (options.TemplateArguments is not { } all) return ofRecord;
        var arguments = (JsonObject)all.DeepClone();
        foreach (var (name, value) in ofRecord ?? []) arguments[name] = value?.DeepClone();
        return arguments;
    }

    private static void CheckTurns(ConversationRecord record)
    {
        if (!record.Messages.Any(Conversation.IsAssistant))
            throw new RefusedRecordException("The conversation has no turn of the assistant.");
        if (!Enumerable.Range(0, record.Messages.Count).Any(i => Conversation.IsTrained(record, i)))
            throw new RefusedRecordException(
                "Every turn of the assistant is switched off (train: false or weight: 0), or part of the prompt.");
    }

    private Example Encode(ConversationRecord record, TrainedText chat)
    {
        var tokens = tokenizer.Encode(chat.Text, addSpecialTokens: false);
        var context = options.MaskPrompt || options.AssistantOnly ? [] : SwitchedOff(record, chat);
        List<(int Start, int End)> trained = [.. chat.Turns.SelectMany(TrainedSpans)];
        var row = new TokenRow().Append(tokens, i => options.MaskPrompt || options.AssistantOnly
            ? trained.Any(span => Touches(tokens, i, span))
            : !context.Any(turn => Touches(tokens, i, (turn.Start, turn.End))));
        if (options.AppendEndOfSequence && !HasEnd(chat.Text, tokens)) row.EndWith(tokenizer.EndOfSequenceId);
        var openings = chat.Turns.Where(turn => turn.Opening is not null).ToList();
        return row.Cut(options.MaxLength).ToExample(record.Origin, row.Length > options.MaxLength) with
        {
            TurnsOffPrompt = openings.Count, PromptOpening = openings.FirstOrDefault()?.Opening,
            Unwritten = TemplateLosses.Of(record, chat),
        };
    }

    private IReadOnlyList<(int Start, int End)> TrainedSpans(TrainedTurn turn) =>
        options.AssistantOnly && turn.Marked is { } marked ? marked : [(turn.Start, turn.End)];

    /// <summary>The turns up to where the assistant is to speak.</summary>
    private Example EncodePrompt(ConversationRecord record)
    {
        var turns = record.Messages.Count;
        while (turns > 0 && Conversation.IsAssistant(record.Messages[turns - 1])) turns--;
        var messages = TrainedText.First(record.Messages, turns);
        var text = _template.Render(messages, addGenerationPrompt: true, record.TemplateArguments).Text;
        var row = new TokenRow().Append(tokenizer.Encode(text, addSpecialTokens: false), _ => false);
        return row.Cut(options.MaxLength).ToExample(record.Origin, row.Length > options.MaxLength, withLabels: false);
    }

    /// <summary>Where everything is trained: the turns that are not to be.</summary>
    private List<TrainedTurn> SwitchedOff(ConversationRecord record, TrainedText chat)
    {
        var turns = new List<TrainedTurn>();
        for (var i = 0; i < chat.Turns[^1].Message; i++)
        {
            if (!Conversation.IsAssistant(record.Messages[i]) || Conversation.IsTrained(record, i)) continue;
            var (text, turn) = TrainedText.Render(record, _template, i);
            if (!chat.Text.StartsWith(text, StringComparison.Ordinal))
                throw new RefusedRecordException(
                    $"Message {i + 1} is switched off, and the chat template writes it differently once later turns "
                        + "follow, so it cannot be left out with mask_prompt false.");
            turns.Add(turn);
        }
        return turns;
    }

    /// <summary>
    /// Whether a token has part in a turn; one that begins with the space before the turn does, as in transformers.
    /// </summary>
    private static bool Touches(TokenSequence tokens, int i, (int Start, int End) span) =>
        tokens.Starts[i] < span.End && (tokens.Starts[i] >= span.Start || tokens.Ends[i] > span.Start);

    /// <summary>Whether the last turn ends with a special token of its own, white space aside.</summary>
    private bool HasEnd(string text, TokenSequence tokens)
    {
        var last = tokens.Ids.Length - 1;
        while (last >= 0 && text.AsSpan(tokens.Starts[last]..tokens.Ends[last]).IsWhiteSpace()) last--;
        return last >= 0 && (tokens.Ids[last] == tokenizer.EndOfSequenceId || tokenizer.IsSpecial(tokens.Ids[last]));
    }
}
