namespace PeftNative.Training.Metrics;

/// <summary>
/// Scores of records that can have any number of labels, by scikit-learn's definitions; a ratio with a zero denominator
/// is 0. Labels and scores are one row per record, one column per label. Immutable.
/// </summary>
public sealed class MultiLabelMetrics
{
    private readonly bool[][] _labels;
    private readonly double[][] _scores;
    private readonly IReadOnlyList<double> _thresholds;

    /// <summary>
    /// Takes the labels, the scores (probabilities or logits) and the score from which a label counts as predicted.
    /// </summary>
    public MultiLabelMetrics(bool[][] labels, double[][] scores, double threshold)
    {
        if (labels.Length != scores.Length || labels.Zip(scores).Any(r => r.First.Length != r.Second.Length))
            throw new ArgumentException("There must be one score per label.");
        (_labels, _scores) = (labels, scores);
        _thresholds = [.. Enumerable.Repeat(threshold, Width)];
    }

    /// <summary>The same with a threshold for each label.</summary>
    public MultiLabelMetrics(bool[][] labels, double[][] scores, IReadOnlyList<double> thresholds)
        : this(labels, scores, 0.0) => _thresholds = thresholds.Count == Width || labels.Length == 0
        ? thresholds : throw new ArgumentException("There must be one threshold per label.");

    private int Width => _labels.Length == 0 ? 0 : _labels[0].Length;

    private IEnumerable<int> Columns => Enumerable.Range(0, Width);

    /// <summary>F1 over the hits and misses of all labels together.</summary>
    public double F1Micro =>
        Harmonic(Columns.Select(Counts).Aggregate((0, 0), (a, b) => (a.Item1 + b.Hits, a.Item2 + b.Both)));

    /// <summary>The mean of the labels' own F1.</summary>
    public double F1Macro => Columns.Select(c => Harmonic(Counts(c))).DefaultIfEmpty(0).Average();

    /// <summary>Share of the records for which every label is right (subset accuracy).</summary>
    public double ExactMatch => ConfusionMatrix.Ratio(
        _labels.Where((row, r) => !row.Where((label, c) => label != Predicted(r, c)).Any()).Count(), _labels.Length);

    /// <summary>
    /// The mean over the labels of the area under the receiver operating characteristic: the probability that a record
    /// with the label scores higher than one without, ties counting half. Labels that all or no records have are left
    /// out, as they have no such area; NaN if none is left.
    /// </summary>
    public double RocAucMacro => Columns.Select(RocAuc).Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();

    /// <summary>Precision, recall and F1 of one label, and how many records have it.</summary>
    /// <param name="label">The label.</param>
    /// <param name="zeroDivision">What a ratio with a zero denominator is.</param>
    public ClassScore Of(int label, double zeroDivision = 0)
    {
        var (hits, both) = Counts(label);
        return Score(hits, _labels.Count(row => row[label]), both, zeroDivision);
    }

    /// <summary>The same over the hits and misses of all labels together.</summary>
    public ClassScore Micro(double zeroDivision = 0)
    {
        var (hits, both) = Columns.Select(Counts).Aggregate((0, 0), (a, b) => (a.Item1 + b.Hits, a.Item2 + b.Both));
        return Score(hits, _labels.Sum(row => row.Count(l => l)), both, zeroDivision);
    }

    /// <summary>Precision, recall and F1 of each record by itself, as means over the records.</summary>
    public ClassScore Samples(double zeroDivision = 0)
    {
        var each = Rows.Select(r => RowScore(r, zeroDivision)).ToList();
        return new(each.Average(s => s.Precision), each.Average(s => s.Recall), each.Average(s => s.F1),
            each.Sum(s => s.Support));
    }

    /// <summary>The mean over the records of what truth and prediction share, by what either has.</summary>
    public double JaccardSamples(double zeroDivision = 0) => Rows.Average(r =>
    {
        var (hits, either) = (0, 0);
        foreach (var c in Columns)
        {
            hits += _labels[r][c] && Predicted(r, c) ? 1 : 0;
            either += _labels[r][c] || Predicted(r, c) ? 1 : 0;
        }
        return ConfusionMatrix.Ratio(hits, either, zeroDivision);
    });

    /// <summary>Share of all labels of all records that are wrong.</summary>
    public double HammingLoss => ConfusionMatrix.Ratio(
        Rows.Sum(r => Columns.Count(c => _labels[r][c] != Predicted(r, c))), _labels.Length * Width);

    private IEnumerable<int> Rows => Enumerable.Range(0, _labels.Length);

    private ClassScore RowScore(int row, double zeroDivision)
    {
        var (hits, support, both) = (0, 0, 0);
        foreach (var c in Columns)
        {
            var (label, predicted) = (_labels[row][c], Predicted(row, c));
            hits += label && predicted ? 1 : 0;
            support += label ? 1 : 0;
            both += (label ? 1 : 0) + (predicted ? 1 : 0);
        }
        return Score(hits, support, both, zeroDivision);
    }

    private static ClassScore Score(int hits, int support, int both, double zeroDivision) => new(
        ConfusionMatrix.Ratio(hits, both - support, zeroDivision), ConfusionMatrix.Ratio(hits, support, zeroDivision),
        ConfusionMatrix.Ratio(2.0 * hits, both, zeroDivision), support);

    /// <summary>
    /// The score from which each label should count as predicted for the best F1 of its own: the middle between the
    /// lowest score that is taken and the highest that is not. Labels without a record keep what they have.
    /// </summary>
    public IReadOnlyList<double> BestThresholds() => [.. Columns.Select(BestThreshold)];

    private double BestThreshold(int column)
    {
        var order = Enumerable.Range(0, _labels.Length).OrderByDescending(r => _scores[r][column]).ToList();
        double support = _labels.Count(row => row[column]), hits = 0, best = 0;
        var threshold = _thresholds[column];
        for (var taken = 1; taken <= order.Count; taken++)
        {
            if (_labels[order[taken - 1]][column]) hits++;
            var score = _scores[order[taken - 1]][column];
            var next = taken < order.Count ? _scores[order[taken]][column] : double.NaN;
            if (score == next || support == 0) continue; // equal scores are taken together
            var f1 = 2 * hits / (taken + support);
            if (f1 <= best) continue;
            (best, threshold) = (f1, double.IsNaN(next) ? score : (score + next) / 2);
        }
        return threshold;
    }

    private double RocAuc(int column) =>
        RankingMetrics.RocAuc([.. _labels.Select(row => row[column])], [.. _scores.Select(row => row[column])]);

    private bool Predicted(int row, int column) => _scores[row][column] >= _thresholds[column];

    private (int Hits, int Both) Counts(int column)
    {
        var (hits, both) = (0, 0);
        for (var row = 0; row < _labels.Length; row++)
        {
            var (label, predicted) = (_labels[row][column], Predicted(row, column));
            if (label && predicted) hits++;
            both += (label ? 1 : 0) + (predicted ? 1 : 0);
        }
        return (hits, both);
    }

    private static double Harmonic((int Hits, int Both) counts) =>
        ConfusionMatrix.Ratio(2.0 * counts.Hits, counts.Both);
}
