namespace PeftNative.Training.Metrics;

/// <summary>How well probabilities are calibrated, bin by bin.</summary>
/// <param name="Expected">Expected calibration error: the bins' |confidence - accuracy|, by their records.</param>
/// <param name="Largest">The largest of them.</param>
/// <param name="Bins">Records, mean confidence and accuracy of each bin; NaN where it has none.</param>
public sealed record Calibration(double Expected, double Largest,
    IReadOnlyList<(int Count, double Confidence, double Accuracy)> Bins);

/// <summary>
/// Scores of probabilities, by scikit-learn's definitions: NaN where one is undefined. Pure functions; rows are
/// records, columns classes.
/// </summary>
public static class RankingMetrics
{
    // What float64 tells from 1; a certain error costs -log of it.
    private const double Epsilon = 2.220446049250313e-16;

    /// <summary>
    /// The area under the receiver operating characteristic: the chance that a positive scores higher than a negative,
    /// ties counting half. NaN without positives or without negatives.
    /// </summary>
    public static double RocAuc(IReadOnlyList<bool> positive, IReadOnlyList<double> scores)
    {
        var ranks = RegressionMetrics.Ranks([.. scores]);
        double positives = positive.Count(p => p), negatives = positive.Count - positives;
        if (positives == 0 || negatives == 0) return double.NaN;
        var sum = ranks.Where((_, i) => positive[i]).Sum();
        // Mann and Whitney: the rank sum less its smallest possible value counts the pairs in the right order.
        return (sum - positives * (positives + 1) / 2) / (positives * negatives);
    }

    /// <summary>Σ (R_n - R_n-1) P_n over the thresholds, the highest first; 0 without positives.</summary>
    public static double AveragePrecision(IReadOnlyList<bool> positive, IReadOnlyList<double> scores)
    {
        double positives = positive.Count(p => p), hits = 0, taken = 0, sum = 0;
        if (positives == 0) return 0;
        foreach (var tie in Enumerable.Range(0, scores.Count).GroupBy(i => scores[i]).OrderByDescending(g => g.Key))
        {
            double gained = tie.Count(i => positive[i]);
            (hits, taken) = (hits + gained, taken + tie.Count());
            sum += gained / positives * (hits / taken);
        }
        return sum;
    }

    /// <summary>The mean over classes of each against the rest; NaN where a class is undefined.</summary>
    /// <param name="labels">The right class of each record.</param>
    /// <param name="probabilities">A row for each record.</param>
    /// <param name="isWeighted">By how often a class is right, so that absent ones do not count.</param>
    public static double OneVersusRest(IReadOnlyList<int> labels, double[][] probabilities, bool isWeighted)
    {
        double sum = 0, weights = 0;
        for (var c = 0; c < probabilities[0].Length; c++)
        {
            double weight = isWeighted ? labels.Count(l => l == c) : 1;
            if (weight == 0) continue;
            sum += weight * RocAuc([.. labels.Select(l => l == c)], [.. probabilities.Select(row => row[c])]);
            weights += weight;
        }
        return sum / weights;
    }

    /// <summary>
    /// The mean over pairs of classes, of either against the other among their records (Hand and Till 2001); pairs
    /// without records of both are left out.
    /// </summary>
    /// <param name="labels">The right class of each record.</param>
    /// <param name="probabilities">A row for each record.</param>
    /// <param name="isWeighted">By the records of a pair.</param>
    public static double OneVersusOne(IReadOnlyList<int> labels, double[][] probabilities, bool isWeighted)
    {
        double sum = 0, weights = 0;
        for (var a = 0; a < probabilities[0].Length; a++)
        {
            for (var b = a + 1; b < probabilities[0].Length; b++)
            {
                int[] pair = [.. Enumerable.Range(0, labels.Count).Where(i => labels[i] == a || labels[i] == b)];
                double Of(int c) => RocAuc([.. pair.Select(i => labels[i] == c)],
                    [.. pair.Select(i => probabilities[i][c])]);
                var area = (Of(a) + Of(b)) / 2;
                if (double.IsNaN(area)) continue;
                var weight = isWeighted ? pair.Length : 1;
                (sum, weights) = (sum + weight * area, weights + weight);
            }
        }
        return sum / weights;
    }

    /// <summary>The mean of -log of the right class's probability, clipped at float64's epsilon.</summary>
    public static double LogLoss(IReadOnlyList<int> labels, double[][] probabilities) =>
        labels.Select((l, i) => -Math.Log(Math.Clamp(probabilities[i][l], Epsilon, 1 - Epsilon))).Average();

    /// <summary>The mean over records of Σ (p - y)² over the classes: 0 to 2; of two classes half of it is the usual
    /// score.</summary>
    public static double Brier(IReadOnlyList<int> labels, double[][] probabilities) =>
        probabilities.Select((row, i) => row.Select((p, c) => (p - (c == labels[i] ? 1 : 0))
            * (p - (c == labels[i] ? 1 : 0))).Sum()).Average();

    /// <summary>Share of the records whose right class is among the k likeliest.</summary>
    public static double TopAccuracy(IReadOnlyList<int> labels, double[][] probabilities, int k) =>
        labels.Select((l, i) => Enumerable.Range(0, probabilities[i].Length)
            .OrderByDescending(c => probabilities[i][c]).ThenByDescending(c => c).Take(k).Contains(l) ? 1.0 : 0)
            .Average();

    /// <summary>Bins of equal width of the highest probability, open below and closed above.</summary>
    public static Calibration Calibrate(IReadOnlyList<int> labels, double[][] probabilities, int bins)
    {
        var (counts, confidence, right) = (new int[bins], new double[bins], new double[bins]);
        for (var i = 0; i < labels.Count; i++)
        {
            var row = probabilities[i];
            var best = row.AsSpan().IndexOf(row.Max());
            // Of two classes at one half the first is taken: only more than that is the second.
            var bin = Math.Clamp((int)Math.Ceiling(row[best] * bins) - 1, 0, bins - 1);
            counts[bin]++;
            confidence[bin] += row[best];
            right[bin] += best == labels[i] ? 1 : 0;
        }
        var table = counts.Select((n, b) => n == 0 ? (0, double.NaN, double.NaN)
            : (n, confidence[b] / n, right[b] / n)).ToList();
        var gaps = table.Where(t => t.Item1 > 0).Select(t => (t.Item1, Gap: Math.Abs(t.Item2 - t.Item3))).ToList();
        return new Calibration(gaps.Sum(g => g.Item1 * g.Gap) / labels.Count, gaps.Max(g => g.Gap), table);
    }
}
