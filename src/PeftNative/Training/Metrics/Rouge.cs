namespace PeftNative.Training.Metrics;

/// <summary>Precision, recall and F-measure of an overlap; all 0 where a side is empty.</summary>
public readonly record struct OverlapScore(double Precision, double Recall, double FMeasure)
{
    internal static OverlapScore Of(long common, long predicted, long expected)
    {
        var precision = ConfusionMatrix.Ratio(common, predicted);
        var recall = ConfusionMatrix.Ratio(common, expected);
        return new OverlapScore(precision, recall, ConfusionMatrix.Ratio(2 * precision * recall, precision + recall));
    }
}

/// <summary>
/// ROUGE (Lin 2004) as Google's rouge_score package computes it without a stemmer: words are runs of a-z and 0-9 of the
/// lower-cased text. Pure functions.
/// </summary>
public static class Rouge
{
    /// <summary>
    /// ROUGE-N: the overlap of runs of <paramref name="n"/> words, each counted as often as both texts have it.
    /// </summary>
    public static OverlapScore Ngrams(string reference, string prediction, int n)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        var (expected, found) = (CountNgrams(Words(reference), n), CountNgrams(Words(prediction), n));
        var common = found.Sum(gram => Math.Min(gram.Value, expected.GetValueOrDefault(gram.Key)));
        return OverlapScore.Of(common, found.Values.Sum(), expected.Values.Sum());
    }

    /// <summary>ROUGE-L: the longest common subsequence of words.</summary>
    public static OverlapScore LongestCommonSubsequence(string reference, string prediction)
    {
        var (expected, found) = (Words(reference), Words(prediction));
        return OverlapScore.Of(CommonLength(expected, found), found.Count, expected.Count);
    }

    private static List<string> Words(string text)
    {
        var words = new List<string>();
        var lower = text.ToLowerInvariant();
        for (int start = 0, end; start < lower.Length; start = end + 1)
        {
            for (end = start; end < lower.Length && char.IsAsciiLetterOrDigit(lower[end]);) end++;
            if (end > start) words.Add(lower[start..end]);
        }
        return words;
    }

    private static Dictionary<string, int> CountNgrams(List<string> words, int n)
    {
        var counts = new Dictionary<string, int>();
        for (var i = 0; i + n <= words.Count; i++)
        {
            var gram = string.Join(' ', words.GetRange(i, n));
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        }
        return counts;
    }

    private static int CommonLength(List<string> first, List<string> second)
    {
        // lengths[j]: for the rows so far and the first j words of the second text.
        var lengths = new int[second.Count + 1];
        foreach (var word in first)
        {
            var diagonal = 0;
            for (var j = 1; j <= second.Count; j++)
            {
                var above = lengths[j];
                lengths[j] = word == second[j - 1] ? diagonal + 1 : Math.Max(above, lengths[j - 1]);
                diagonal = above;
            }
        }
        return lengths[^1];
    }
}
