using System.Text.RegularExpressions;

namespace PeftNative.Training.Metrics.Texts;

/// <summary>
/// Exact match and token F1 of short answers by SQuAD 1.1's rules (Rajpurkar et al. 2016): lower case, without ASCII
/// punctuation and articles; the best over the references. Pure functions.
/// </summary>
public static partial class AnswerMatch
{
    private const string Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    /// <summary>Whether the answer is one of the references.</summary>
    public static bool IsExact(string answer, IEnumerable<string> references) =>
        references.Any(r => Words(r).SequenceEqual(Words(answer)));

    /// <summary>The harmonic mean of the shares of words that answer and reference have in common.</summary>
    public static double F1(string answer, IEnumerable<string> references) =>
        references.Select(r => F1(Words(answer), Words(r))).DefaultIfEmpty(0).Max();

    private static double F1(string[] answer, string[] reference)
    {
        if (answer.Length == 0 || reference.Length == 0) return answer.Length == reference.Length ? 1 : 0;
        var left = reference.CountBy(w => w).ToDictionary();
        double common = answer.CountBy(w => w).Sum(w => Math.Min(w.Value, left.GetValueOrDefault(w.Key)));
        return ConfusionMatrix.Ratio(2 * common, answer.Length + reference.Length);
    }

    private static string[] Words(string text)
    {
        var bare = string.Concat(text.ToLowerInvariant().Where(c => !Punctuation.Contains(c)));
        return Articles().Replace(bare, " ").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    [GeneratedRegex(@"\b(a|an|the)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Articles();
}
