using System.Globalization;

namespace PeftNative.Training.Metrics.Texts;

/// <summary>
/// chrF (Popović 2015) and, with words, chrF++ (2017) of a corpus as sacreBLEU computes them, 0 to 100. Immutable; safe
/// to use from several threads.
/// </summary>
public sealed record Chrf
{
    private const string Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    /// <summary>The longest n-grams of characters.</summary>
    public int CharacterOrder { get; init; } = 6;

    /// <summary>The longest n-grams of words: 0 for chrF, 2 for chrF++.</summary>
    public int WordOrder { get; init; }

    /// <summary>How much more recall counts than precision.</summary>
    public double Beta { get; init; } = 2;

    /// <summary>Whether case is passed over.</summary>
    public bool LowerCase { get; init; }

    /// <summary>Whether white space counts among the characters.</summary>
    public bool Whitespace { get; init; }

    private int Orders => CharacterOrder + WordOrder;

    /// <summary>Measures a corpus; each output is held against the reference that it does best on.</summary>
    /// <param name="hypotheses">The outputs.</param>
    /// <param name="references">Sets of references, each with one for every output.</param>
    public double Measure(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        var sums = new (int Hypothesis, int Reference, int Common)[Orders];
        for (var i = 0; i < hypotheses.Count; i++)
        {
            var own = Grams(hypotheses[i]);
            var best = references.Select(set => Compare(own, Grams(set[i]))).MaxBy(Score)!;
            for (var n = 0; n < Orders; n++)
                sums[n] = (sums[n].Hypothesis + best[n].Hypothesis, sums[n].Reference + best[n].Reference,
                    sums[n].Common + best[n].Common);
        }
        return Score(sums);
    }

    private double Score((int Hypothesis, int Reference, int Common)[] counts)
    {
        double precision = 0, recall = 0, orders = 0, factor = Beta * Beta;
        foreach (var (hypothesis, reference, common) in counts)
        {
            if (hypothesis == 0 || reference == 0) continue;
            (precision, recall, orders) = (precision + (double)common / hypothesis,
                recall + (double)common / reference, orders + 1);
        }
        if (orders == 0 || precision + recall == 0) return 0;
        (precision, recall) = (precision / orders, recall / orders);
        return 100 * (1 + factor) * precision * recall / (factor * precision + recall);
    }

    // An order that the reference is too short for does not count.
    private static (int Hypothesis, int Reference, int Common)[] Compare(Dictionary<string, int>[] own,
        Dictionary<string, int>[] other) =>
        [.. own.Zip(other, (a, b) => (b.Count == 0 ? 0 : a.Values.Sum(), b.Values.Sum(),
            a.Sum(g => Math.Min(g.Value, b.GetValueOrDefault(g.Key)))))];

    private Dictionary<string, int>[] Grams(string text)
    {
        if (LowerCase) text = text.ToLower(CultureInfo.InvariantCulture);
        var parts = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        string[] characters =
            [.. (Whitespace ? text : string.Concat(parts)).EnumerateRunes().Select(r => r.ToString())];
        string[] words = [.. parts.SelectMany(Cut)];
        return [.. Enumerable.Range(1, CharacterOrder).Select(n => Bleu.Ngrams(characters, n).ToDictionary()),
            .. Enumerable.Range(1, WordOrder).Select(n => Bleu.Ngrams(words, n).ToDictionary())];
    }

    // Punctuation at the end of a word, or else at its beginning, is a word of its own.
    private static string[] Cut(string word) => word.Length == 1 ? [word]
        : Punctuation.Contains(word[^1]) ? [word[..^1], word[^1..]]
        : Punctuation.Contains(word[0]) ? [word[..1], word[1..]] : [word];
}
