using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Training.Metrics;

namespace PeftNative.Inference;

/// <summary>
/// Measures what an encoder-decoder model writes by itself against the targets of the data, unlike the loss, which
/// gives it each target up to the next token. One thread at a time.
/// </summary>
public sealed class TextEvaluator(TransformerModel model, ITokenizer tokenizer,
    params IReadOnlyList<AttachmentSet> adapters) : IDisposable
{
    private readonly TextGenerator generator = new(model, tokenizer, adapters);

    /// <summary>
    /// exact_match: the share of texts that are the target (leading and trailing white space aside); rouge1, rouge2 and
    /// rougeL: the mean F-measures.
    /// </summary>
    /// <param name="examples">Examples with targets for the decoder.</param>
    /// <param name="batchSize">Examples written together.</param>
    /// <param name="options">How to write.</param>
    /// <param name="progress">Told the examples done, after every batch.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="DataException">An example has no target.</exception>
    public IReadOnlyDictionary<string, double> Run(
        IReadOnlyList<Example> examples, int batchSize, GenerationOptions options,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        var work = new Work("evaluating", progress, cancellation) { Total = examples.Count };
        double exact = 0, rouge1 = 0, rouge2 = 0, rougeL = 0;
        foreach (var batch in examples.Chunk(batchSize))
        {
            var texts = generator.GenerateBatch([.. batch.Select(e => e.Ids)], options, cancellation);
            for (var i = 0; i < batch.Length; i++)
            {
                var (wanted, written) = (Target(batch[i]), texts[i]);
                exact += wanted.Trim() == written.Trim() ? 1 : 0;
                rouge1 += Rouge.Ngrams(wanted, written, 1).FMeasure;
                rouge2 += Rouge.Ngrams(wanted, written, 2).FMeasure;
                rougeL += Rouge.LongestCommonSubsequence(wanted, written).FMeasure;
            }
            work.Add(batch.Length);
        }
        return new Dictionary<string, double>
        {
            ["exact_match"] = exact / examples.Count, ["rouge1"] = rouge1 / examples.Count,
            ["rouge2"] = rouge2 / examples.Count, ["rougeL"] = rougeL / examples.Count,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => generator.Dispose();

    private string Target(Example example) => tokenizer.Decode(example.DecoderIds
        ?? throw new DataException("The record has no target.", example.Origin.ToString(), "Evaluation needs one."));
}
