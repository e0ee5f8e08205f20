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

    /// <summary>The median of the absolute differences.</summary>
    public static double MedianAbsoluteError(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions)
    {
        var errors = new double[labels.Length];
        for (var i = 0; i < errors.Length; i++) errors[i] = Math.Abs(labels[i] - predictions[i]);
        Array.Sort(errors);
        return (errors[(errors.Length - 1) / 2] + errors[errors.Length / 2]) / 2;
    }

    /// <summary>1 - the squared error over that of the mean; of labels that are all the same 1 if exact, else
    /// 0.</summary>
    public static double R2(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions)
    {
        var mean = Mean(labels, labels, (x, _) => x);
        return Explained(MeanSquaredError(labels, predictions),
            Mean(labels, labels, (x, _) => (x - mean) * (x - mean)));
    }

    /// <summary>The same without the error that all predictions share.</summary>
    public static double ExplainedVariance(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions)
    {
        var (mean, error) = (Mean(labels, labels, (x, _) => x), Mean(labels, predictions, (x, y) => x - y));
        return Explained(Mean(labels, predictions, (x, y) => (x - y - error) * (x - y - error)),
            Mean(labels, labels, (x, _) => (x - mean) * (x - mean)));
    }

    /// <summary>Kendall's tau-b, which allows for ties; NaN where labels or predictions are all the same.</summary>
    public static double Kendall(ReadOnlySpan<double> labels, ReadOnlySpan<double> predictions)
    {
        double agree = 0, labelPairs = 0, predictionPairs = 0;
        for (var i = 0; i < labels.Length; i++)
        {
            for (var j = 0; j < i; j++)
            {
                var (x, y) = (Math.Sign(labels[i] - labels[j]), Math.Sign(predictions[i] - predictions[j]));
                agree += x * y;
                labelPairs += x * x;
                predictionPairs += y * y;
            }
        }
        return labelPairs == 0 || predictionPairs == 0 ? double.NaN
            : agree / Math.Sqrt(labelPairs) / Math.Sqrt(predictionPairs);
    }

    private static double Explained(double error, double variance) =>
        variance > 0 ? 1 - error / variance : error == 0 ? 1 : 0;

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
