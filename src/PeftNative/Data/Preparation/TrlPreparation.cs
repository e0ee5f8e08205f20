using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Preparation;

/// <summary>
/// Makes of rows what TRL's SFTTrainer makes of them, token for token and label for label, for those who compare; the
/// usual way is <see cref="ExampleEncoder"/>. Immutable; safe to use from several threads.
/// </summary>
public sealed class TrlPreparation
{
    private const int Masked = Example.Masked;

    private readonly TrlOptions _options;
    private readonly TrlTokens _tokens;

    /// <summary>Takes the tokenizer, its chat template if it has one, and the settings.</summary>
    /// <exception cref="UsageException">Settings contradict each other, or name a token that is not there.</exception>
    public TrlPreparation(ITokenizer tokenizer, IChatTemplate? template, TrlOptions options)
    {
        if (options is { Packing: not null, MaxLength: null })
            throw new UsageException("Packing needs a length of its rows.", "max_length", "Give one.");
        if (options is { PaddingFree: true, Packing: null, MaxLength: not null })
            throw new UsageException("padding_free without packing excludes max_length.", "max_length",
                "Give one of them.");
        (_options, _tokens) = (options, new TrlTokens(tokenizer, template, options));
    }

    /// <summary>
    /// The rows after preparation, each as its sequences: one, or several where they are packed. Labels stand on the
    /// first token too, where TRL has some.
    /// </summary>
    /// <exception cref="DataException">A row is none of the kinds, or the chat template refuses it.</exception>
    /// <exception cref="UsageException">The settings do not fit the rows.</exception>
    internal IReadOnlyList<LabelledTokens[]> Rows(IReadOnlyList<RawRecord> rows)
    {
        if (rows.Count == 0) return [];
        var onlyCompletions = _options.CompletionOnly
            ?? (rows[0].Fields.ContainsKey("prompt") && rows[0].Fields.ContainsKey("completion"));
        List<LabelledTokens> sequences = [.. rows.Select((row, i) => Label(_tokens.Of(row), onlyCompletions, i))];
        if (_options.Packing is { } strategy) return RowPacking.Pack(sequences, strategy, _options.MaxLength!.Value);
        if (_options.MaxLength is not { } length) return [.. sequences.Select(s => new[] { s })];
        return [.. sequences.Select(s => s.Cut(length, _options.KeepEnd)).Where(HasLabels).Select(s => new[] { s })];
    }

    /// <summary>The rows as examples to train on; those that teach nothing are reported.</summary>
    /// <exception cref="DataException">A row cannot be prepared, or no row teaches anything.</exception>
    /// <exception cref="UsageException">The settings do not fit the rows.</exception>
    public EncodedData Encode(IReadOnlyList<RawRecord> rows) =>
        PackedExamples.Of(Rows(rows), [.. rows.Select(row => row.Origin)], _options.Packing is not null);

    private static bool HasLabels(LabelledTokens sequence) => sequence.Labels.Any(label => label != Masked);

    private static LabelledTokens Label(TrlRow row, bool onlyCompletions, int source)
    {
        var labels = row.Labels ?? [.. row.Ids];
        for (var i = 0; i < labels.Length && row.Labels is null; i++)
            if (onlyCompletions && row.Completion is { } completion && !completion[i]
                || row.Assistant is { } assistant && !assistant[i]) labels[i] = Masked;
        return new LabelledTokens(row.Ids, labels, source);
    }
}
