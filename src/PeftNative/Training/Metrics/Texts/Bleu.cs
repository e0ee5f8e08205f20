using System.Globalization;

namespace PeftNative.Training.Metrics.Texts;

/// <summary>What takes the place of n-gram precisions of 0.</summary>
public enum BleuSmoothing
{
    /// <summary>1/2, 1/4, ... of one match, order by order (NIST).</summary>
    Exponential,

    /// <summary>A tenth of a match.</summary>
    Floor,

    /// <summary>One match more of one n-gram more, above single words.</summary>
    AddOne,

    /// <summary>Nothing: the score is 0 then.</summary>
    None,
}

/// <summary>BLEU's parts.</summary>
/// <param name="Score">The score, 0 to 100.</param>
/// <param name="Precisions">Of each order, in percent.</param>
/// <param name="BrevityPenalty">The factor for outputs that are too short.</param>
/// <param name="HypothesisLength">Tokens of the outputs.</param>
/// <param name="ReferenceLength">Tokens of the references nearest in length.</param>
public sealed record BleuScore(double Score, IReadOnlyList<double> Precisions, double BrevityPenalty,
    int HypothesisLength, int ReferenceLength)
{
    /// <summary>N-grams of each order that the references have.</summary>
    public IReadOnlyList<int> Counts { get; init; } = [];

    /// <summary>N-grams of each order.</summary>
    public IReadOnlyList<int> Totals { get; init; } = [];
}

/// <summary>
/// BLEU (Papineni et al. 2002) of a corpus as sacreBLEU computes it. Immutable; safe to use from several threads.
/// </summary>
public sealed record Bleu
{
    /// <summary>How texts are cut into tokens: 13a, none, intl or char.</summary>
    public string Tokenizer { get; init; } = "13a";

    /// <summary>Whether case is passed over.</summary>
    public bool LowerCase { get; init; }

    /// <summary>The longest n-grams.</summary>
    public int Order { get; init; } = 4;

    /// <summary>What takes the place of precisions of 0.</summary>
    public BleuSmoothing Smoothing { get; init; }

    /// <summary>Whether orders that the outputs are too short for are left out, as for single sentences.</summary>
    public bool EffectiveOrder { get; init; }

    /// <summary>Measures a corpus.</summary>
    /// <param name="hypotheses">The outputs.</param>
    /// <param name="references">Sets of references, each with one for every output.</param>
    public BleuScore Measure(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        var (matches, totals) = (new int[Order], new int[Order]);
        var (length, nearest) = (0, 0);
        for (var i = 0; i < hypotheses.Count; i++)
        {
            var words = Tokens(hypotheses[i]);
            var others = references.Select(set => Tokens(set[i])).ToList();
            length += words.Length;
            nearest += others.Select(o => o.Length).OrderBy(l => Math.Abs(l - words.Length)).ThenBy(l => l).First();
            for (var n = 1; n <= Order; n++)
            {
                var most = new Dictionary<string, int>();
                foreach (var (gram, count) in others.SelectMany(o => Ngrams(o, n)))
                    most[gram] = Math.Max(most.GetValueOrDefault(gram), count);
                foreach (var (gram, count) in Ngrams(words, n))
                {
                    totals[n - 1] += count;
                    matches[n - 1] += Math.Min(count, most.GetValueOrDefault(gram));
                }
            }
        }
        var penalty = length >= nearest ? 1 : length == 0 ? 0 : Math.Exp(1 - (double)nearest / length);
        var (precisions, order) = Precisions(matches, totals);
        var score = matches.All(m => m == 0) ? 0 : penalty * Math.Exp(
            precisions.Take(order).Sum(p => p == 0 ? double.NegativeInfinity : Math.Log(p)) / order);
        return new(score, precisions, penalty, length, nearest) { Counts = matches, Totals = totals };
    }

    private (double[] Precisions, int Order) Precisions(int[] matches, int[] totals)
    {
        var (precisions, order, halved) = (new double[Order], Order, 1.0);
        for (var n = 0; n < Order; n++)
        {
            double match = matches[n], total = totals[n];
            if (Smoothing == BleuSmoothing.AddOne && n > 0) (match, total) = (match + 1, total + 1);
            if (total == 0) break;
            if (EffectiveOrder) order = n + 1;
            precisions[n] = match > 0 ? 100 * match / total : Smoothing switch
            {
                BleuSmoothing.Exponential => 100 / ((halved *= 2) * total),
                BleuSmoothing.Floor => 100 * 0.1 / total,
                _ => 0,
            };
        }
        return (precisions, order);
    }

    private string[] Tokens(string text) =>
        BleuTokens.Cut(LowerCase ? text.ToLower(CultureInfo.InvariantCulture) : text, Tokenizer);

    internal static IEnumerable<KeyValuePair<string, int>> Ngrams(string[] words, int n) =>
        Enumerable.Range(0, Math.Max(0, words.Length - n + 1))
            .CountBy(i => string.Join('\0', words.AsSpan(i, n).ToArray()));
}
