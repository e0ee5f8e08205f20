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

    /// <summary>The examples of a conversation: one, or several where the template writes earlier turns
    /// differently.</summary>
    /// <exception cref="RefusedRecordException">The template refuses it, or no turn is to be trained.</exception>
    public IReadOnlyList<Example> Encode(ConversationRecord record)
    {
        if (!options.ForPrediction) CheckTurns(record);
        try
        {
            return options.ForPrediction ? [EncodePrompt(record)]
                : [.. TrainedText.Of(record, _template).Select(text => Encode(record, text))];
        }
        catch (PeftNativeException e) when (e is DataException or ModelFormatException)
        {
            throw new RefusedRecordException($"The chat template refuses the conversation: {e.What}", e);
        }
    }

    private static void CheckTurns(ConversationRecord record)
    {
        if (!record.Messages.Any(Conversation.IsAssistant))
            throw new RefusedRecordException("The conversation has no turn of the assistant.");
        if (!record.Messages.Any(Conversation.IsTrained))
            throw new RefusedRecordException(
                "Every turn of the assistant is switched off (train: false or weight: 0).");
    }

    private Example Encode(ConversationRecord record, TrainedText chat)
    {
        var tokens = tokenizer.Encode(chat.Text, addSpecialTokens: false);
        var context = options.MaskPrompt ? [] : SwitchedOff(record, chat);
        var row = new TokenRow().Append(tokens, i => options.MaskPrompt
            ? chat.Turns.Any(turn => Touches(tokens, i, turn)) : !context.Any(turn => Touches(tokens, i, turn)));
        if (options.AppendEndOfSequence && !HasEnd(chat.Text, tokens)) row.EndWith(tokenizer.EndOfSequenceId);
        var openings = chat.Turns.Where(turn => turn.Opening is not null).ToList();
        return row.Cut(options.MaxLength).ToExample(record.Origin, row.Length > options.MaxLength) with
        {
            TurnsOffPrompt = openings.Count, PromptOpening = openings.FirstOrDefault()?.Opening,
        };
    }

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
            if (!Conversation.IsAssistant(record.Messages[i]) || Conversation.IsTrained(record.Messages[i])) continue;
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
    private static bool Touches(TokenSequence tokens, int i, TrainedTurn turn) =>
        tokens.Starts[i] < turn.End && (tokens.Starts[i] >= turn.Start || tokens.Ends[i] > turn.Start);

    /// <summary>Whether the last turn ends with a special token of its own, white space aside.</summary>
    private bool HasEnd(string text, TokenSequence tokens)
    {
        var last = tokens.Ids.Length - 1;
        while (last >= 0 && text.AsSpan(tokens.Starts[last]..tokens.Ends[last]).IsWhiteSpace()) last--;
        return last >= 0 && (tokens.Ids[last] == tokenizer.EndOfSequenceId || tokenizer.IsSpecial(tokens.Ids[last]));
    }
}
