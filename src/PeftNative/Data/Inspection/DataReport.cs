using PeftNative.Data.Encoding;
using PeftNative.Data.Records;

namespace PeftNative.Data.Inspection;

/// <summary>
/// A bar of a histogram of lengths: examples with <paramref name="From"/> to <paramref name="To"/> tokens, both
/// included.
/// </summary>
public sealed record LengthBar(int From, int To, int Count);

/// <summary>What a data set is like once it is encoded. Immutable.</summary>
public sealed record DataReport
{
    private const int Bars = 10;
    private const double TruncatedShareToWarn = 0.05;

    /// <summary>Records read.</summary>
    public required long Records { get; init; }

    /// <summary>Examples they gave.</summary>
    public required int Examples { get; init; }

    /// <summary>
    /// Whether numbers about tokens and labels are estimates from some of the examples, as not all of them are held.
    /// </summary>
    public bool IsEstimated { get; init; }

    /// <summary>Tokens of all examples.</summary>
    public required long Tokens { get; init; }

    /// <summary>Trained positions; null where the task has no labels per token.</summary>
    public long? TrainedTokens { get; init; }

    /// <summary>Share of the tokens that is not trained; null where the task has no labels per token.</summary>
    public double? MaskedShare => TrainedTokens is { } trained && Tokens > 0 ? 1 - (double)trained / Tokens : null;

    /// <summary>Examples of which something was cut off.</summary>
    public required int Truncated { get; init; }

    /// <summary>The same as a share.</summary>
    public double TruncatedShare => (double)Truncated / Examples;

    /// <summary>Words whose tag has no token.</summary>
    public long LostTags { get; init; }

    /// <summary>Trained turns of conversations that do not go on from the prompt that asks for them.</summary>
    public long TurnsOffPrompt { get; init; }

    /// <summary>What the generation prompt opens before the first of these; null where there is none.</summary>
    public string? PromptOpening { get; init; }

    /// <summary>
    /// Fields of conversations that the chat template does not write, and in how many examples it does not.
    /// </summary>
    public IReadOnlyList<(string Field, int Examples)> Unwritten { get; init; } = [];

    /// <summary>
    /// The shortest, the median, the 95th percentile and the longest example, and the mean, in tokens.
    /// </summary>
    public required (int Least, int Median, int Percentile95, int Most, double Mean) Lengths { get; init; }

    /// <summary>How many examples have which length.</summary>
    public required IReadOnlyList<LengthBar> Histogram { get; init; }

    /// <summary>How often each label occurs, in the order of the labels; empty where the task has none.</summary>
    public IReadOnlyList<(string Name, long Count)> LabelCounts { get; init; } = [];

    /// <summary>Records from which nothing could be learned.</summary>
    public IReadOnlyList<SkippedRecord> Skipped { get; init; } = [];

    /// <summary>Lines that could not be read.</summary>
    public IReadOnlyList<DataException> BadLines { get; init; } = [];

    /// <summary>Names in the file that have no use.</summary>
    public IReadOnlyList<string> Unused { get; init; } = [];

    /// <summary>Measures a data set.</summary>
    /// <param name="data">The examples.</param>
    /// <param name="labels">The labels, where the task has some.</param>
    /// <param name="badLines">Lines that were left out while reading.</param>
    /// <param name="unused">Names in the file that have no use.</param>
    public static DataReport Of(
        EncodedData data, LabelVocabulary? labels = null, IReadOnlyList<DataException>? badLines = null,
        IReadOnlyList<string>? unused = null)
    {
        var examples = data.Sample();
        var lengths = examples.Select(e => e.Length).Order().ToArray();
        var share = (double)data.Examples.Count / examples.Count;
        long Sum(Func<Example, long> part) => (long)Math.Round(examples.Sum(part) * share);
        return new DataReport
        {
            Records = data.Records,
            Examples = data.Examples.Count,
            IsEstimated = examples.Count < data.Examples.Count,
            Tokens = Sum(e => e.Length),
            TrainedTokens = examples.Any(e => e.Labels is not null) ? Sum(e => e.TrainedTokens) : null,
            Truncated = (int)Sum(e => e.Truncated ? 1 : 0),
            LostTags = Sum(e => e.LostTags),
            TurnsOffPrompt = Sum(e => e.TurnsOffPrompt),
            PromptOpening = examples.FirstOrDefault(e => e.TurnsOffPrompt > 0)?.PromptOpening,
            Lengths = (lengths[0], At(0.5), At(0.95), lengths[^1], lengths.Average()),
            Histogram = HistogramOf(lengths, share),
            LabelCounts = labels is null or { Problem: ProblemType.Regression }
                ? []
                : [.. LabelCountsOf(examples, labels).Select(l => (l.Item1, (long)Math.Round(l.Item2 * share)))],
            Skipped = data.Skipped,
            BadLines = badLines ?? [],
            Unused = unused ?? [],
            Unwritten = [.. examples.SelectMany(e => e.Unwritten).CountBy(name => name)
                .Select(c => (c.Key, (int)Math.Round(c.Value * share)))],
        };
        // The nearest rank: the least length that this share of the examples does not exceed.
        int At(double rank) => lengths[Math.Max(0, (int)Math.Ceiling(rank * lengths.Length) - 1)];
    }

    /// <summary>What a person should know before training, a sentence each.</summary>
    public IEnumerable<string> Warnings()
    {
        if (TruncatedShare > TruncatedShareToWarn)
            yield return $"{TruncatedShare:P1} of the examples are cut off; a larger max_seq_length keeps them whole.";
        if (Skipped is [var skipped, ..])
            yield return $"{Skipped.Count} records teach nothing; the first is {skipped.Origin}: {skipped.Reason}";
        if (BadLines is [var bad, ..])
            yield return $"{BadLines.Count} broken lines were left out; the first is {bad.Where}: {bad.What}";
        if (Unused.Count > 0)
            yield return $"Nothing is made of the {(Unused.Count == 1 ? "field" : "fields")} "
                + $"{string.Join(", ", Unused.Take(10))}{(Unused.Count > 10 ? " and others" : "")}.";
        foreach (var (field, count) in Unwritten)
            yield return $"The chat template does not write '{field}' in {count} examples; nothing is learned of it.";
        if (TurnsOffPrompt > 0)
            yield return $"{TurnsOffPrompt} turns do not go on from the prompt that asks for them: the chat template "
                + "opens "
                + $"'{PromptOpening!.ReplaceLineEndings("\\n")}' there, which the turns do not have. They are "
                + "trained from where both part; at run time the model is asked otherwise.";
        if (LostTags > 0)
            yield return $"{LostTags} tags have no token, because their words were cut off or give no tokens.";
        var missing = LabelCounts.Where(l => l.Count == 0 && !IsEstimated).Select(l => l.Name).ToList();
        if (missing.Count > 0) yield return $"No example has the label {string.Join(", ", missing.Take(10))}.";
    }

    private static List<LengthBar> HistogramOf(int[] lengths, double share)
    {
        var (least, most) = (lengths[0], lengths[^1]);
        var width = (most - least + Bars) / Bars;
        var counts = new int[(most - least) / width + 1];
        foreach (var length in lengths) counts[(length - least) / width]++;
        return [.. counts.Select((count, i) => new LengthBar(
            least + i * width, least + (i + 1) * width - 1, (int)Math.Round(count * share)))];
    }

    private static List<(string, long)> LabelCountsOf(IReadOnlyList<Example> examples, LabelVocabulary labels)
    {
        var counts = new long[labels.Count];
        foreach (var example in examples)
        {
            if (example.Class is { } single) counts[single]++;
            for (var i = 0; i < example.Targets?.Length; i++) counts[i] += example.Targets[i] >= 0.5f ? 1 : 0;
            foreach (var tag in example.Labels ?? [])
            {
                if (tag != Example.Masked) counts[tag]++;
            }
        }
        return [.. labels.Names.Zip(counts)];
    }
}
