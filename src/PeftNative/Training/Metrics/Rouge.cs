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
/// ROUGE (Lin 2004) as Google's rouge_score package computes it: words are runs of a-z and 0-9 of the
/// lower-cased text. Pure functions.
/// </summary>
public static class Rouge
{
    /// <summary>
    /// ROUGE-N: the overlap of runs of <paramref name="n"/> words, each counted as often as both texts have it.
    /// </summary>
    /// <param name="reference">The right text.</param>
    /// <param name="prediction">The text that is measured.</param>
    /// <param name="n">Words of a run.</param>
    /// <param name="withStems">Whether words of more than three letters count by their stems (Porter's).</param>
    public static OverlapScore Ngrams(string reference, string prediction, int n, bool withStems = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        var (expected, found) =
            (CountNgrams(Words(reference, withStems), n), CountNgrams(Words(prediction, withStems), n));
        var common = found.Sum(gram => Math.Min(gram.Value, expected.GetValueOrDefault(gram.Key)));
        return OverlapScore.Of(common, found.Values.Sum(), expected.Values.Sum());
    }

    /// <summary>ROUGE-L: the longest common subsequence of words.</summary>
    public static OverlapScore LongestCommonSubsequence(string reference, string prediction, bool withStems = false)
    {
        var (expected, found) = (Words(reference, withStems), Words(prediction, withStems));
        return OverlapScore.Of(CommonLength(expected, found), found.Count, expected.Count);
    }

    /// <summary>
    /// ROUGE-Lsum: of every line of the reference the words that are in its longest common subsequence with any line of
    /// the prediction, each counted as often as both texts have it.
    /// </summary>
    public static OverlapScore OfLines(string reference, string prediction, bool withStems = false)
    {
        var (expected, found) = (Lines(reference, withStems), Lines(prediction, withStems));
        var left = found.SelectMany(l => l).CountBy(w => w).ToDictionary();
        var open = expected.SelectMany(l => l).CountBy(w => w).ToDictionary();
        var hits = 0;
        foreach (var line in expected)
            foreach (var i in found.SelectMany(other => CommonPlaces(line, other)).Distinct().Order())
                if (left.GetValueOrDefault(line[i]) > 0 && open[line[i]] > 0)
                    (hits, left[line[i]], open[line[i]]) = (hits + 1, left[line[i]] - 1, open[line[i]] - 1);
        return OverlapScore.Of(hits, found.Sum(l => l.Count), expected.Sum(l => l.Count));
    }

    private static List<List<string>> Lines(string text, bool withStems) =>
        [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => Words(l, withStems))];

    // The places in the first text of a longest common subsequence.
    private static List<int> CommonPlaces(List<string> first, List<string> second)
    {
        var lengths = new int[first.Count + 1, second.Count + 1];
        for (var i = 1; i <= first.Count; i++)
            for (var j = 1; j <= second.Count; j++)
                lengths[i, j] = first[i - 1] == second[j - 1] ? lengths[i - 1, j - 1] + 1
                    : Math.Max(lengths[i - 1, j], lengths[i, j - 1]);
        var places = new List<int>();
        for (int i = first.Count, j = second.Count; i > 0 && j > 0;)
        {
            if (first[i - 1] == second[j - 1])
            {
                places.Add(--i);
                j--;
            }
            else if (lengths[i, j - 1] > lengths[i - 1, j]) j--;
            else i--;
        }
        return places;
    }

    private static List<string> Words(string text, bool withStems)
    {
        var words = new List<string>();
        var lower = text.ToLowerInvariant();
        for (int start = 0, end; start < lower.Length; start = end + 1)
        {
            for (end = start; end < lower.Length && char.IsAsciiLetterOrDigit(lower[end]);) end++;
            if (end > start)
                words.Add(withStems && end - start > 3 ? PorterStemmer.Stem(lower[start..end]) : lower[start..end]);
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
