namespace PeftNative.Training.Metrics;

/// <summary>How the scores of several classes become one number (scikit-learn's <c>average</c>).</summary>
public enum Averaging
{
    /// <summary>The mean over the classes.</summary>
    Macro,

    /// <summary>One count of hits and misses over all classes.</summary>
    Micro,

    /// <summary>The mean over the classes, each weighted by how often it is the label.</summary>
    Weighted,

    /// <summary>The score of class 1 alone; for two classes.</summary>
    Binary,
}

/// <summary>
/// Counts of (label, prediction) and the scores that follow from them, by scikit-learn's definitions (sklearn.metrics,
/// user guide 3.4.4): a ratio with a zero denominator is 0; means run over the classes that occur as label or as
/// prediction. Not thread-safe while adding.
/// </summary>
/// <param name="classes">Number of classes; labels and predictions are 0 to classes - 1.</param>
public sealed class ConfusionMatrix(int classes)
{
    private readonly long[,] _counts = new long[classes, classes];

    /// <summary>Counts pairs of a label and a prediction.</summary>
    public static ConfusionMatrix Of(ReadOnlySpan<int> labels, ReadOnlySpan<int> predictions, int classes)
    {
        if (labels.Length != predictions.Length) throw new ArgumentException("There must be one prediction per label.");
        var matrix = new ConfusionMatrix(classes);
        for (var i = 0; i < labels.Length; i++) matrix.Add(labels[i], predictions[i]);
        return matrix;
    }

    /// <summary>Counts one pair.</summary>
    public void Add(int label, int prediction)
    {
        _counts[label, prediction]++;
        Count++;
    }

    /// <summary>How many records have this label and this prediction.</summary>
    public long this[int label, int prediction] => _counts[label, prediction];

    /// <summary>Number of classes.</summary>
    public int Classes => classes;

    /// <summary>Number of records.</summary>
    public long Count { get; private set; }

    /// <summary>Share of the records whose prediction is the label.</summary>
    public double Accuracy => Ratio(Hits, Count);

    /// <summary>tp / (tp + fp).</summary>
    public double Precision(Averaging averaging) => Average(averaging, (hits, _, predicted) => Ratio(hits, predicted));

    /// <summary>tp / (tp + fn).</summary>
    public double Recall(Averaging averaging) => Average(averaging, (hits, labelled, _) => Ratio(hits, labelled));

    /// <summary>2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall.</summary>
    public double F1(Averaging averaging) =>
        Average(averaging, (hits, labelled, predicted) => Ratio(2 * hits, labelled + predicted));

    /// <summary>Precision, recall and F1 of one class, and how often it is the label.</summary>
    /// <param name="label">The class.</param>
    /// <param name="zeroDivision">What a ratio with a zero denominator is: 0, 1 or NaN.</param>
    public ClassScore Of(int label, double zeroDivision = 0)
    {
        var (hits, labelled, predicted) = (_counts[label, label], Labelled(label), Predicted(label));
        return new ClassScore(Ratio(hits, predicted, zeroDivision), Ratio(hits, labelled, zeroDivision),
            Ratio(2 * hits, labelled + predicted, zeroDivision), labelled);
    }

    /// <summary>The mean recall of the classes that occur as label; NaN without any.</summary>
    public double BalancedAccuracy => Enumerable.Range(0, classes).Where(c => Labelled(c) > 0)
        .Select(c => Of(c).Recall).DefaultIfEmpty(double.NaN).Average();

    /// <summary>The same where guessing is 0 and all right is 1.</summary>
    public double BalancedAccuracyAdjusted
    {
        get
        {
            var chance = 1.0 / Enumerable.Range(0, classes).Count(c => Labelled(c) > 0);
            return (BalancedAccuracy - chance) / (1 - chance);
        }
    }

    /// <summary>
    /// Cohen's kappa: agreement beyond chance; NaN where labels and predictions are all one class.
    /// </summary>
    /// <param name="power">0: any error counts the same; 1 or 2: by the distance of the classes, or its
    /// square.</param>
    public double Kappa(int power = 0)
    {
        double observed = 0, expected = 0;
        for (var i = 0; i < classes; i++)
        {
            for (var j = 0; j < classes; j++)
            {
                var weight = power == 0 ? (i == j ? 0 : 1) : Math.Pow(Math.Abs(i - j), power);
                observed += weight * _counts[i, j];
                expected += weight * Labelled(i) * Predicted(j) / Count;
            }
        }
        return 1 - observed / expected;
    }

    /// <summary>
    /// Matthews' correlation coefficient for any number of classes (Gorodkin 2004): 0 where labels or predictions are
    /// all one class.
    /// </summary>
    public double Matthews
    {
        get
        {
            double covariance = (double)Hits * Count, labelled = (double)Count * Count, predicted = labelled;
            for (var c = 0; c < classes; c++)
            {
                covariance -= (double)Labelled(c) * Predicted(c);
                labelled -= (double)Labelled(c) * Labelled(c);
                predicted -= (double)Predicted(c) * Predicted(c);
            }
            return Ratio(covariance, Math.Sqrt(labelled * predicted));
        }
    }

    private long Hits => Sum(c => _counts[c, c]);

    private long Labelled(int label) => Sum(prediction => _counts[label, prediction]);

    private long Predicted(int prediction) => Sum(label => _counts[label, prediction]);

    private double Average(Averaging averaging, Func<double, double, double, double> score)
    {
        double Of(int c) => score(_counts[c, c], Labelled(c), Predicted(c));
        var present = Enumerable.Range(0, classes).Where(c => Labelled(c) + Predicted(c) > 0);
        return averaging switch
        {
            Averaging.Binary when classes == 2 => Of(1),
            Averaging.Binary => throw new UsageException(
                "The binary average is for two classes.", null, "Use macro, micro or weighted."),
            Averaging.Micro => score(Hits, Count, Count),
            Averaging.Weighted => Ratio(present.Sum(c => Of(c) * Labelled(c)), Count),
            _ => present.Select(Of).DefaultIfEmpty(0).Average(),
        };
    }

    private long Sum(Func<int, long> count)
    {
        var sum = 0L;
        for (var c = 0; c < classes; c++) sum += count(c);
        return sum;
    }

    internal static double Ratio(double numerator, double denominator, double zeroDivision = 0) =>
        denominator == 0 ? zeroDivision : numerator / denominator;
}
