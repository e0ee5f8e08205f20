using PeftNative.Data.Batching;
using PeftNative.Models.Steps;
using PeftNative.Ops;

namespace PeftNative.Models;

/// <summary>
/// The step from data to model, for training and for use: records in a batch as tokens, and what they say as targets.
/// </summary>
public static class ModelBatch
{
    /// <summary>
    /// The tokens of a batch. Where the model has an encoder, that reads them, and the decoder is given its targets one
    /// place later.
    /// </summary>
    /// <exception cref="DataException">A decoder needs targets, and the records have none.</exception>
    public static TokenBatch Tokens(TransformerModel model, Batch batch)
    {
        var tokens = new TokenBatch(
            batch.TokenIds, batch.Offsets, batch.Positions, batch.TokenTypes is { } types
                ? Array.ConvertAll(types, t => (int)t) : null);
        if (model.Config.Encoder is null) return tokens;
        if (batch.DecoderIds is not { } targets) throw NoLabels(batch);
        var given = new int[targets.Length];
        targets.AsSpan(0, Math.Max(0, targets.Length - 1)).CopyTo(given.AsSpan(Math.Min(1, targets.Length)));
        for (var s = 0; s < batch.Sequences; s++)
            if (batch.DecoderOffsets![s] < given.Length)
                given[batch.DecoderOffsets[s]] = model.Config.DecoderStartTokenId;
        return new TokenBatch(given, batch.DecoderOffsets!) { Source = tokens };
    }

    /// <summary>The number of loss terms of a batch: labelled tokens, sequences, or values.</summary>
    public static int TermCount(Batch batch) => batch.Labels is not null ? batch.TrainedTokens
        : batch.DecoderIds?.Length ?? batch.Classes?.Length ?? batch.Targets?.Length ?? 0;

    /// <summary>The same with a factor for every label: the sum of the factors of a batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="classWeights">The factors; null for 1 each.</param>
    public static double TermWeight(Batch batch, IReadOnlyList<double>? classWeights) => classWeights is null
        ? TermCount(batch) : (batch.Labels ?? batch.Classes ?? []).Where(l => l != Models.Targets.Ignored)
            .Sum(l => classWeights[l]);

    /// <summary>The targets of a batch.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="gradientScale">1 / (number of loss terms of the whole optimizer step).</param>
    /// <exception cref="DataException">The batch has no targets for the task.</exception>
    public static Targets Targets(TransformerModel model, Batch batch, double gradientScale)
    {
        if ((batch.DecoderIds ?? batch.Labels) is { } labels) return Models.Targets.PerToken(labels, gradientScale);
        if (batch.Classes is { } classes) return Models.Targets.PerSequence(classes, gradientScale);
        if (batch.Targets is not { } values) throw NoLabels(batch);
        var loss = model.Config.ProblemType == ProblemType.MultiLabel
            ? RegressionLoss.BinaryCrossEntropy : RegressionLoss.MeanSquaredError;
        return Models.Targets.PerOutput(values, loss, gradientScale);
    }

    private static DataException NoLabels(Batch batch) =>
        new("The records have no labels.", batch.Examples[0].Origin.ToString(), "Training and evaluation need them.");
}
