namespace PeftNative.Training.Metrics;

/// <summary>Errors and correlations of predicted numbers; pure functions over sequences of equal length.</summary>
public static class RegressionMetrics
{
    /// <summary>The mean of the squared differences.</summary>
    public static double MeanSquaredError(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions) =>
        Mean(labels, predictions, (x, y) => (x - y) * (x - y));

    /// <summary>The mean of the absolute differences.</summary>
    public static double MeanAbsoluteError(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions) =>
        Mean(labels, predictions, (x, y) => Math.Abs(x - y));

    /// <summary>
    /// Pearson's product-moment correlation (scipy.stats.pearsonr); NaN where labels or predictions are all the same,
    /// as it has no value there.
    /// </summary>
    public static double Pearson(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions)
    {
        double labelMean = Mean(labels, labels, (x, _) => x),
            predictionMean = Mean(predictions, predictions, (x, _) => x);
        double product = 0, labelSquare = 0, predictionSquare = 0;
        for (var i = 0; i < labels.Length; i++)
        {
            var (x, y) = (labels[i] - labelMean, predictions[i] - predictionMean);
            product += x * y;
            labelSquare += x * x;
            predictionSquare += y * y;
        }
        return labelSquare > 0 && predictionSquare > 0
            ? Math.Clamp(product / Math.Sqrt(labelSquare) / Math.Sqrt(predictionSquare), -1, 1)
            : double.NaN;
    }

    /// <summary>
    /// Spearman's rank correlation (scipy.stats.spearmanr): Pearson's of the ranks, equal values sharing their mean
    /// rank.
    /// </summary>
    public static double Spearman(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions) =>
        Pearson(Ranks(labels), Ranks(predictions));

    /// <summary>
    /// The rank of each value from 1; equal values (-0 and 0 are equal) share the mean of their ranks.
    /// </summary>
    internal static double[] Ranks(ReadOnlySpan<double> values)
    {
        var order = Enumerable.Range(0, values.Length).ToArray();
        Array.Sort(values.ToArray(), order);
        var ranks = new double[values.Length];
        for (int first = 0, next; first < order.Length; first = next)
        {
            for (next = first + 1; next < order.Length && values[order[next]] == values[order[first]];) next++;
            for (var i = first; i < next; i++) ranks[order[i]] = (first + 1 + next) / 2.0;
        }
        return ranks;
    }

    private static double Mean(
        ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions, Func<double, double, double> term)
    {
        if (labels.Length != predictions.Length) throw new ArgumentException("There must be one prediction per label.");
        double sum = 0;
        for (var i = 0; i < labels.Length; i++) sum += term(labels[i], predictions[i]);
        return sum / labels.Length;
    }
}
