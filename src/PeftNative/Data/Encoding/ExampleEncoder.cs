using System.Text.Json.Nodes;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>
/// Turns records into examples for a task. Immutable; safe to use from several threads if the chat template is.
/// </summary>
public sealed class ExampleEncoder
{
    private readonly ITokenizer _tokenizer;
    private readonly EncodingOptions _options;
    private readonly CausalEncoder _causal;
    private readonly int _specials;
    private readonly Lazy<ConversationEncoder> _conversations;

    /// <summary>Takes the tokenizer and the settings.</summary>
    /// <exception cref="UsageException">
    /// The maximum length is below 2, or a classification task has no labels.
    /// </exception>
    public ExampleEncoder(ITokenizer tokenizer, EncodingOptions options)
    {
        if (options.MaxLength < 2)
            throw new UsageException($"max_seq_length must be at least 2, not {options.MaxLength}.");
        var classifies = options.Task is ModelTask.SequenceClassification or ModelTask.TokenClassification;
        if (classifies && !options.ForPrediction && options.Labels is null)
            throw new UsageException("Classification needs its labels.");
        (_tokenizer, _options, _causal) = (tokenizer, options, new CausalEncoder(tokenizer, options));
        _specials = tokenizer.Encode("").Ids.Length + 8; // and some that a tokenizer may put in front
        _conversations = new(() => new ConversationEncoder(tokenizer, options));
    }

    /// <summary>What tells this encoder's examples from those of another, tokenizer aside.</summary>
    internal string Signature => $" {_options.Task} {_options.MaxLength} {_options.MaskPrompt} "
        + $"{_options.AppendEndOfSequence} {_options.AssistantOnly} {_options.TemplateArguments?.ToJsonString()}";

    /// <summary>Whether records have labels that must be among those known.</summary>
    internal bool NeedsLabels => !_options.ForPrediction && !_options.Task.WritesText();

    /// <summary>
    /// Whether a record gives one example and something is left to learn in it, by what is known of its size.
    /// </summary>
    /// <param name="bound">See <see cref="TokenBound"/>.</param>
    internal bool GivesOne(int bound) => bound != TokenBound.Unknown && _options.Task switch
    {
        ModelTask.SequenceClassification => true,
        ModelTask.SequenceToSequence => _tokenizer.EndOfSequenceId is not null,
        _ => bound + _specials < _options.MaxLength,
    };

    /// <summary>How many examples a record gives, where that is known without making them; otherwise null.</summary>
    internal int? Count(DataRecord record) => _options.Task == ModelTask.CausalLM
        && record is TextRecord { Pair: null } text ? _causal.CountBlocks(text) : null;

    /// <summary>Makes sure that the labels of a record are among those known.</summary>
    /// <exception cref="DataException">One is not.</exception>
    internal void CheckLabels(DataRecord record)
    {
        if (record is TaggedRecord { Tags: { } tags })
            foreach (var tag in tags) _options.Labels!.IndexOf(tag, record.Origin);
        else if (record is TextRecord text) Labelled(new Example { Ids = [], Origin = record.Origin }, text);
    }

    /// <summary>
    /// The examples of a record: one; for a plain text in causal language modelling as many blocks as it takes (none
    /// for an empty text); for a conversation as many texts as its turns need (<see cref="TrainedText"/>).
    /// </summary>
    /// <exception cref="DataException">
    /// The record does not fit the task, has a label that is none of the labels, or is a conversation from which
    /// nothing can be learned or which the chat template refuses.
    /// </exception>
    /// <exception cref="UsageException">The record is a conversation, but there is no chat template.</exception>
    public IEnumerable<Example> Encode(DataRecord record)
    {
        try
        {
            return Examples(record);
        }
        catch (RefusedRecordException e)
        {
            throw new DataException(e.Message, record.Origin.ToString(), "Correct the record, or leave it out.", e);
        }
    }

    /// <summary>The same, for callers that count and name what is refused.</summary>
    /// <exception cref="RefusedRecordException">There is nothing to learn from a conversation.</exception>
    internal IEnumerable<Example> Examples(DataRecord record) => (_options.Task, record) switch
    {
        (ModelTask.CausalLM, TextRecord { Pair: null } text) => _causal.Blocks(text),
        (ModelTask.CausalLM, PromptRecord { System: not null } prompt) when _options.ChatTemplate is not null =>
            _conversations.Value.Encode(AsConversation(prompt)),
        (ModelTask.CausalLM, PromptRecord prompt) => [_causal.Encode(prompt)],
        (ModelTask.CausalLM, ConversationRecord chat) => _conversations.Value.Encode(chat),
        (ModelTask.CausalLM, PreferenceRecord or UnpairedPreferenceRecord) => Answers(record),
        (ModelTask.SequenceClassification, TextRecord text) => [Classify(text)],
        (ModelTask.TokenClassification, TaggedRecord tagged) =>
            [new TagEncoder(_tokenizer, _options).Encode(tagged)],
        (ModelTask.SequenceToSequence, PromptRecord pair) => [Translate(pair)],
        _ => throw new DataException(
            $"The record does not fit the task {_options.Task}.", record.Origin.ToString(), _options.Task switch
        {
            ModelTask.CausalLM => "It needs text, prompt + completion, instruction + output or messages.",
            ModelTask.SequenceClassification => "It needs text + label or text + text_pair + label.",
            ModelTask.TokenClassification => "It needs tokens + tags.",
            _ => "It needs source + target, prompt + completion or instruction + output.",
        }),
    };

    private static ConversationRecord AsConversation(PromptRecord record)
    {
        JsonArray messages = [Message("system", record.System!), Message("user", record.Prompt)];
        if (record.Completion is { } answer) messages.Add((JsonNode)Message("assistant", answer));
        return new ConversationRecord(messages, record.Origin);

        static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
    }

    // What is to be seen of answers that are compared: each behind its prompt, the better one first.
    private IEnumerable<Example> Answers(DataRecord record) => record switch
    {
        PreferenceRecord pair => Answer(pair, pair.Prompt, pair.Chosen, pair.TemplateArguments)
            .Concat(Answer(pair, pair.Prompt, pair.Rejected, pair.TemplateArguments)),
        UnpairedPreferenceRecord one => Answer(one, one.Prompt, one.Completion, one.TemplateArguments),
        _ => [],
    };

    private IEnumerable<Example> Answer(DataRecord record, JsonNode? prompt, JsonNode answer, JsonObject? arguments)
    {
        if (prompt is not JsonArray && answer is not JsonArray)
            return [_causal.Encode(new PromptRecord(prompt.AsText() ?? "", answer.AsText()!, record.Origin))];
        var (before, turns) = (Messages(prompt, "user"), Messages(answer, "assistant"));
        // Without a prompt of its own an answer begins with the messages that both share; its last turn is compared.
        var context = prompt is null ? turns.Count - 1 : before.Count;
        return _conversations.Value.Encode(new ConversationRecord(
            [.. before.Concat(turns).Select(m => m!.DeepClone())], record.Origin)
        {
            TemplateArguments = arguments, PromptMessages = context,
        });
    }

    private static JsonArray Messages(JsonNode? node, string role) => node switch
    {
        null => [],
        JsonArray messages => messages,
        _ => [new JsonObject { ["role"] = role, ["content"] = node.DeepClone() }],
    };

    private Example Classify(TextRecord record)
    {
        var tokens = _tokenizer.Encode(record.Text, record.Pair, addSpecialTokens: true, _options.MaxLength);
        var example = new Example
        {
            Ids = tokens.Ids,
            TokenTypes = tokens.TokenTypes,
            Origin = record.Origin,
            Truncated = tokens.Truncated,
        };
        return _options.ForPrediction ? example : Labelled(example, record);
    }

    private Example Labelled(Example example, TextRecord record)
    {
        var label = record.Label ?? throw new DataException(
            "The record has no label.", record.Origin.ToString(), "Training needs one in every record.");
        var labels = _options.Labels!;
        return labels.Problem switch
        {
            ProblemType.SingleLabel => example with { Class = labels.IndexOf(label, record.Origin) },
            ProblemType.MultiLabel => example with { Targets = labels.TargetsOf(label, record.Origin) },
            _ => example with { Targets = [LabelVocabulary.NumberOf(label, record.Origin)] },
        };
    }

    private Example Translate(PromptRecord record)
    {
        var source = _tokenizer.Encode(record.Prompt, null, addSpecialTokens: true, _options.MaxLength);
        var example = new Example
        {
            Ids = source.Ids,
            TokenTypes = source.TokenTypes,
            Origin = record.Origin,
            Truncated = source.Truncated,
        };
        if (_options.ForPrediction || record.Completion is null) return example;
        var target = TokenRow.Of(_tokenizer, record.Completion).EndWith(_tokenizer.EndOfSequenceId);
        var kept = target.Cut(_options.MaxLength);
        var truncated = example.Truncated || kept.Length < target.Length;
        return example with { DecoderIds = [.. kept.Ids], Truncated = truncated };
    }
}
