using PeftNative.Models.Layers;
using PeftNative.Models.Steps;
using PeftNative.Ops;

namespace PeftNative.Models;

/// <summary>
/// What a model should have said of a batch: labels of tokens or of sequences, or values. It is a value of its own,
/// made before or after the batch is run. Immutable, as its arrays should stay.
/// </summary>
public sealed record Targets
{
    /// <summary>A label that is not trained.</summary>
    public const int Ignored = -100;

    private Targets()
    {
    }

    /// <summary>A label for each token or sequence; null for values.</summary>
    public int[]? Labels { get; private init; }

    /// <summary>A value for each output of each sequence, row by row; null for labels.</summary>
    public float[]? Values { get; private init; }

    /// <summary>The loss against values.</summary>
    public RegressionLoss ValueLoss { get; private init; }

    /// <summary>Factor of the gradient; null for 1 / (number of loss terms of the batch).</summary>
    public double? GradientScale { get; init; }

    /// <summary>
    /// A factor for every label of the model, on loss and gradient of the rows that have it; null for none. The mean
    /// is then over the sum of these factors, as in PyTorch.
    /// </summary>
    public IReadOnlyList<double>? ClassWeights { get; init; }

    private bool IsPerToken { get; init; }

    /// <summary>
    /// Labels per token, <see cref="Ignored"/> for none. For a causal model the label of a token is what the row before
    /// it should say, so that of a sequence's first token is left out where nothing stands before it; else what its own
    /// row should say: for token classification its tag, for a decoder's input the token that comes next.
    /// </summary>
    /// <param name="labels">One label per token of the batch (of the decoder's, where there is an encoder), not
    /// shifted.</param>
    /// <param name="gradientScale">Factor of the gradient; null for 1 / (number of labelled rows).</param>
    public static Targets PerToken(int[] labels, double? gradientScale = null) =>
        new() { Labels = labels, IsPerToken = true, GradientScale = gradientScale };

    /// <summary>One label per sequence, <see cref="Ignored"/> for none.</summary>
    /// <param name="labels">As many as the batch has sequences.</param>
    /// <param name="gradientScale">Factor of the gradient; null for 1 / (number of labelled sequences).</param>
    public static Targets PerSequence(int[] labels, double? gradientScale = null) =>
        new() { Labels = labels, GradientScale = gradientScale };

    /// <summary>Values per sequence: numbers to predict, or 0 and 1 for each of several labels.</summary>
    /// <param name="values">As many as the batch has sequences times the model outputs, row by row.</param>
    /// <param name="loss">What they are held against.</param>
    /// <param name="gradientScale">Factor of the gradient; null for 1 / (number of values).</param>
    public static Targets PerOutput(float[] values, RegressionLoss loss, double? gradientScale = null) =>
        new() { Values = values, ValueLoss = loss, GradientScale = gradientScale };

    /// <summary>Whether others want the same of the same rows; the factor of the gradient may be another.</summary>
    internal bool IsSameAs(Targets? other) => other is not null && IsPerToken == other.IsPerToken
        && ValueLoss == other.ValueLoss && Labels == other.Labels && Values == other.Values
        && ClassWeights == other.ClassWeights;

    /// <summary>Finds the rows of a batch that was laid out, and what the head should say of each.</summary>
    /// <exception cref="DataException">They are not as many as the batch needs, or a label is not one of the
    /// model's.</exception>
    /// <exception cref="UsageException">The model has no head.</exception>
    internal void Resolve(TransformerModel model, TokenBatch batch, StepRows rows, HeadTargets into)
    {
        var outputs = model.Head.Width;
        if (model.Head.Output is null)
            throw new UsageException("A model without a head has no loss to learn from.",
                remedy: "Load it for another task, or take its hidden states and a loss of your own.");
        var needed = IsPerToken ? batch.Tokens.Length : rows.SequenceCount * (Labels is null ? outputs : 1);
        var given = Labels?.Length ?? Values!.Length;
        if (given != needed) throw Unfit(given, needed, Labels is null ? rows.SequenceCount : null);
        into.Begin(Values, ValueLoss, IsPerToken ? given : rows.SequenceCount);
        if (IsPerToken) ResolveTokens(model, batch, rows, into);
        else
            for (var s = 0; s < rows.SequenceCount; s++)
                if (Labels is null) into.Add(rows.PooledRow(s));
                else if (Labels[s] != Ignored) into.Add(rows.PooledRow(s), Checked(Labels[s], outputs));
        if (ClassWeights is { } weights && (Labels is null || weights.Count != outputs))
            throw new UsageException($"There are {weights.Count} class weights for a model of {outputs} labels.",
                remedy: "Give one for each label; losses against values have none.");
        into.ClassWeights = ClassWeights;
        into.GradientScale = GradientScale ?? (ClassWeights is null
            ? 1.0 / Math.Max(1, into.Count * (Labels is null ? outputs : 1)) : Inverse(into.WeightSum));
    }

    /// <summary>1 / x; 0 of nothing, as where all labels of a step have the weight 0.</summary>
    internal static double Inverse(double sum) => Mean(1, sum);

    /// <summary>A mean from its sums; 0 of nothing.</summary>
    internal static double Mean(double sum, double weight) => weight > 0 ? sum / weight : 0;

    private void ResolveTokens(TransformerModel model, TokenBatch batch, StepRows rows, HeadTargets into)
    {
        var before = model.Task == ModelTask.CausalLM ? 1 : 0;
        for (var s = 0; s < batch.SequenceCount; s++)
        for (var i = batch.Offsets[s]; i < batch.Offsets[s + 1]; i++)
        {
            if (Labels![i] == Ignored) continue;
            var row = rows.RowOf(s, i - batch.Offsets[s]) - before;
            if (row < rows.Offsets[s]) continue; // nothing stands before the first token
            into.Add(row, Checked(Labels[i], model.Head.Width));
        }
    }

    private static int Checked(int label, int count) => (uint)label < (uint)count
        ? label
        : throw new DataException($"The label {label} is not one of 0 to {count - 1}.",
            remedy: "Give the model as many labels as the data has.");

    private static DataException Unfit(int given, int needed, int? sequences) => sequences is { } count
        ? new($"{count} sequences need {needed / Math.Max(1, count)} values each, found {given}.",
            remedy: "Give the model as many outputs as the data has values per record.")
        : new($"The batch needs {needed} labels, found {given}.",
            remedy: "Give a label for each token or for each sequence; -100 where there is none.");
}
