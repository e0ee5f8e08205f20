using PeftNative.Data;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Steps;
using PeftNative.Tensors;

namespace PeftNative.Inference;

/// <summary>
/// Scores texts, or the words of texts, with a classifier. Owns its run. Thread-safe: calls from several threads, and
/// of several classifiers of one model, are computed one after the other. After <see cref="Dispose"/>, or that of the
/// model or an adapter, a call is an <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class Classifier : IDisposable
{
    private readonly TransformerModel model;
    private readonly SharedRun shared;

    /// <summary>Makes a classifier.</summary>
    /// <exception cref="UsageException">The model has no classifier on top.</exception>
    public Classifier(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        if (!model.Task.Classifies())
            throw new UsageException("A language model scores no labels.", remedy: "Use it to generate.");
        this.model = model;
        shared = new SharedRun(model, adapters, this);
    }

    /// <summary>The adapters in force; may be exchanged between two calls.</summary>
    public IReadOnlyList<AttachmentSet> Adapters
    {
        get => shared.Adapters;
        set
        {
            using var scope = shared.Enter(out var run);
            run.Adapters = value;
        }
    }

    /// <summary>The scores (logits) of each text, one per label.</summary>
    /// <exception cref="ObjectDisposedException">The classifier, the model or an adapter in force has been
    /// disposed.</exception>
    /// <exception cref="NumericException">A score is not finite.</exception>
    public IReadOnlyList<float[]> Score(Batch batch) => Score(batch, rows => rows.PooledRows());

    /// <summary>
    /// The label of each word; null where a word has no token, because it was cut off or the tokenizer gives none.
    /// </summary>
    /// <param name="words">The words.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="maxLength">The most tokens, special tokens included.</param>
    /// <exception cref="ObjectDisposedException">The classifier, the model or an adapter in force has been
    /// disposed.</exception>
    /// <exception cref="NumericException">A score is not finite.</exception>
    public IReadOnlyList<string?> Tag(IReadOnlyList<string> words, ITokenizer tokenizer, int maxLength)
    {
        var tokens = tokenizer.Encode(string.Join(' ', words), null, addSpecialTokens: true, maxLength);
        var first = TagEncoder.FirstTokens(words, tokens);
        var known = first.Where(at => at >= 0).ToArray();
        var batch =
            Batch.Of([new Example { Ids = tokens.Ids, TokenTypes = tokens.TokenTypes,
                Origin = new RecordOrigin("", 0) }]);
        var scores = known.Length == 0 ? [] : Score(batch, rows => [.. known.Select(at => rows.RowOf(0, at))]);
        var next = 0;
        return [.. first.Select(at => at < 0 ? null : model.Config.Labels[Best(scores[next++])])];
    }

    /// <summary>The place of the best score; ties go to the first.</summary>
    public static int Best(ReadOnlySpan<float> scores)
    {
        var best = 0;
        for (var i = 1; i < scores.Length; i++)
            if (scores[i] > scores[best]) best = i;
        return best;
    }

    /// <summary>Probabilities of scores of which one applies: the softmax.</summary>
    public static double[] Softmax(ReadOnlySpan<float> scores)
    {
        var result = new double[scores.Length];
        for (var i = 0; i < result.Length; i++) result[i] = Math.Exp((double)scores[i] - scores[Best(scores)]);
        var sum = result.Sum();
        for (var i = 0; i < result.Length; i++) result[i] /= sum;
        return result;
    }

    /// <summary>Probability of a score that stands alone: the logistic function.</summary>
    public static double Sigmoid(float score) => 1 / (1 + Math.Exp(-score));

    /// <inheritdoc/>
    public void Dispose() => shared.Dispose();

    private float[][] Score(Batch batch, Func<StepRows, int[]> rows)
    {
        using var scope = shared.Enter(out var run);
        run.Forward(ModelBatch.Tokens(model, batch));
        var scores = HostValues.Download(model.Backend, run.Scores(rows(run.Rows)));
        if (!Finite.All(scores)) throw new NumericException("The scores are not finite.", null, Finite.Remedy);
        return [.. scores.Chunk(model.Head.Width)];
    }
}
