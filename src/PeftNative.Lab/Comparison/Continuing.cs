using PeftNative.Data;
using PeftNative.Data.Records;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Training.Metrics;

namespace PeftNative.Lab.Comparison;

/// <summary>
/// Lets a model continue prompts, or an encoder-decoder answer them, greedily, so that the result is the same every
/// time. Used by one thread at a time, like its backend.
/// </summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="records">Prompts with the wanted completions.</param>
public sealed class Continuing(ITokenizer tokenizer, IReadOnlyList<PromptRecord> records)
{
    private const int BatchSize = 16;

    // A model that does not end where it should has this many tokens to go wrong.
    private const int Beyond = 8;

    /// <summary>The continuations; white space at the ends does not count.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<Continuation> Run(
        TransformerModel model, IReadOnlyList<AttachmentSet> adapters, CancellationToken cancellation = default)
    {
        if (records.Count == 0) return [];
        using var generator = new TextGenerator(model, tokenizer, adapters);
        var longest = records.Max(r => tokenizer.Encode(r.Completion!, addSpecialTokens: false).Ids.Length);
        var options = new GenerationOptions { MaxTokens = longest + Beyond };
        return [.. records.Chunk(BatchSize).SelectMany(batch => batch.Zip(
            generator.GenerateBatch([.. batch.Select(r => r.Prompt)], options, cancellation),
            (record, text) => new Continuation(record.Prompt, record.Completion!.Trim(), text.Trim())))];
    }

    /// <summary>The mean F-measure of ROUGE-L.</summary>
    public static double MeanRougeL(IReadOnlyList<Continuation> continuations) =>
        continuations.Average(c => Rouge.LongestCommonSubsequence(c.Wanted, c.Given).FMeasure);

    /// <summary>The share of continuations that are exactly what was wanted.</summary>
    public static double ExactShare(IReadOnlyList<Continuation> continuations) =>
        (double)continuations.Count(c => c.IsExact) / continuations.Count;
}
