using PeftNative.Data;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Steps;
using PeftNative.Tensors;

namespace PeftNative.Inference;

/// <summary>
/// Turns texts into vectors with an encoder: the mean over the tokens' last hidden states, special tokens included,
/// scaled to length 1, as sentence-transformers does by default (Reimers and Gurevych 2019, arXiv:1908.10084). Owns its
/// run. Thread-safe: calls from several threads, and of several embedders of one model, are computed in turn, 32 texts
/// at a time. After <see cref="Dispose"/>, or that of the model or an adapter, a call is an
/// <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class TextEmbedder : IDisposable
{
    private const int TextsPerPass = 32;

    private readonly TransformerModel model;
    private readonly ITokenizer tokenizer;
    private readonly SharedRun shared;

    /// <summary>Makes an embedder.</summary>
    /// <exception cref="UsageException">The model is no encoder.</exception>
    public TextEmbedder(TransformerModel model, ITokenizer tokenizer, params IReadOnlyList<AttachmentSet> adapters)
    {
        if (model.Config.Causal)
            throw new UsageException("Only an encoder turns texts into vectors.", model.Folder,
                "Take a model of the family of BERT.");
        (this.model, this.tokenizer) = (model, tokenizer);
        shared = new SharedRun(model, adapters, this);
    }

    /// <summary>
    /// The vectors of texts, each of the model's hidden size; texts longer than the model's positions are cut off.
    /// </summary>
    /// <param name="texts">The texts.</param>
    /// <param name="progress">Told the texts done, after every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="NumericException">A vector is not finite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The embedder, the model or an adapter has been disposed.</exception>
    public IReadOnlyList<float[]> Embed(
        IReadOnlyList<string> texts, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        var work = new Work("embedding", progress, cancellation) { Total = texts.Count };
        var results = new List<float[]>(texts.Count);
        foreach (var part in texts.Chunk(TextsPerPass))
        {
            results.AddRange(EmbedTogether(part));
            work.Add(part.Length);
        }
        return results;
    }

    /// <inheritdoc/>
    public void Dispose() => shared.Dispose();

    private IEnumerable<float[]> EmbedTogether(string[] texts)
    {
        var room = model.Config.MaxPositions - model.Config.PositionOffset;
        TokenSequence[] encoded = [.. texts.Select(t => tokenizer.Encode(t, maxLength: room))];
        var offsets = new int[texts.Length + 1];
        for (var s = 0; s < texts.Length; s++) offsets[s + 1] = offsets[s] + encoded[s].Ids.Length;
        int[]? types = encoded.All(e => e.TokenTypes is not null)
            ? [.. encoded.SelectMany(e => e.TokenTypes!).Select(t => (int)t)] : null;
        using var scope = shared.Enter(out var run);
        run.Forward(new TokenBatch([.. encoded.SelectMany(e => e.Ids)], offsets, types: types));
        var states = HostValues.Download(model.Backend, run.Hidden);
        if (!Finite.All(states)) throw new NumericException("The vectors are not finite.", null, Finite.Remedy);
        var rows = states.Chunk(model.Config.HiddenSize).ToArray();
        var starts = run.Rows.Offsets.ToArray();
        return texts.Select((_, s) => UnitMean(rows.AsSpan(starts[s], starts[s + 1] - starts[s])));
    }

    private float[] UnitMean(ReadOnlySpan<float[]> rows)
    {
        var sum = new double[model.Config.HiddenSize];
        foreach (var row in rows)
            for (var i = 0; i < sum.Length; i++) sum[i] += row[i];
        var length = Math.Sqrt(sum.Sum(v => v * v));
        return [.. sum.Select(v => (float)(length > 0 ? v / length : 0))];
    }
}
