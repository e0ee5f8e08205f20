namespace PeftNative.Training.Metrics;

/// <summary>
/// How well scores order the labels of records that can have several, by scikit-learn's definitions. Pure functions;
/// rows are records, columns labels.
/// </summary>
public static class LabelRanking
{
    /// <summary>The mean over records and their labels of the share of right labels among those that score no lower;
    /// 1 for records with all labels or none.</summary>
    public static double AveragePrecision(bool[][] labels, double[][] scores) => labels.Zip(scores, (row, score) =>
    {
        int[] right = [.. Enumerable.Range(0, row.Length).Where(c => row[c])];
        return right.Length == 0 || right.Length == row.Length ? 1
            : right.Average(c => (double)right.Count(o => score[o] >= score[c]) / score.Count(s => s >= score[c]));
    }).Average();

    /// <summary>The mean share of pairs of a right and a wrong label in the wrong order, ties included; 0 for records
    /// with all labels or none.</summary>
    public static double Loss(bool[][] labels, double[][] scores) => labels.Zip(scores, (row, score) =>
    {
        int[] right = [.. Enumerable.Range(0, row.Length).Where(c => row[c])],
            wrong = [.. Enumerable.Range(0, row.Length).Where(c => !row[c])];
        double pairs = right.Length * (double)wrong.Length;
        return pairs == 0 ? 0 : right.Sum(r => wrong.Count(w => score[w] >= score[r])) / pairs;
    }).Average();

    /// <summary>The mean number of labels, by score, that it takes to have all right ones.</summary>
    public static double Coverage(bool[][] labels, double[][] scores) => labels.Zip(scores, (row, score) =>
    {
        double[] right = [.. score.Where((_, c) => row[c])];
        return right.Length == 0 ? 0.0 : score.Count(s => s >= right.Min());
    }).Average();
}
