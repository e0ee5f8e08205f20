namespace PeftNative.Training.Metrics.Texts;

/// <summary>
/// Differences of two sequences in an alignment of the fewest (Levenshtein): what speech recognition counts. Sums of
/// several are the counts of a corpus.
/// </summary>
/// <param name="Hits">Items that are the same.</param>
/// <param name="Substitutions">Items that are others.</param>
/// <param name="Deletions">Items that are missing.</param>
/// <param name="Insertions">Items that are too many.</param>
public readonly record struct ErrorRate(int Hits, int Substitutions, int Deletions, int Insertions)
{
    /// <summary>Word or character error rate: errors by the length of the reference; the number of insertions where
    /// that is empty.</summary>
    public double Rate => Errors / (double)Math.Max(1, Hits + Substitutions + Deletions);

    /// <summary>Match error rate: errors by the length of the alignment.</summary>
    public double MatchErrorRate => ConfusionMatrix.Ratio(Errors, Hits + Errors);

    /// <summary>Word information preserved: hits by the lengths of either; 1 where both are empty.</summary>
    public double InformationPreserved
    {
        get
        {
            double reference = Hits + Substitutions + Deletions, hypothesis = Hits + Substitutions + Insertions;
            return reference == 0 && hypothesis == 0 ? 1
                : ConfusionMatrix.Ratio(Hits, reference) * ConfusionMatrix.Ratio(Hits, hypothesis);
        }
    }

    private int Errors => Substitutions + Deletions + Insertions;

    /// <summary>Words, separated by white space; case and punctuation count.</summary>
    public static ErrorRate OfWords(string reference, string hypothesis) =>
        Of(Words(reference), Words(hypothesis));

    /// <summary>Characters (code points), white space between them included.</summary>
    public static ErrorRate OfCharacters(string reference, string hypothesis) =>
        Of([.. reference.Trim().EnumerateRunes()], [.. hypothesis.Trim().EnumerateRunes()]);

    /// <summary>Adds counts.</summary>
    public static ErrorRate operator +(ErrorRate a, ErrorRate b) => new(a.Hits + b.Hits,
        a.Substitutions + b.Substitutions, a.Deletions + b.Deletions, a.Insertions + b.Insertions);

    /// <summary>Adds counts.</summary>
    public static ErrorRate Add(ErrorRate left, ErrorRate right) => left + right;

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static ErrorRate Of<T>(T[] reference, T[] hypothesis)
    {
        var distance = new int[reference.Length + 1, hypothesis.Length + 1];
        for (var i = 0; i <= reference.Length; i++) distance[i, 0] = i;
        for (var j = 0; j <= hypothesis.Length; j++) distance[0, j] = j;
        for (var i = 1; i <= reference.Length; i++)
            for (var j = 1; j <= hypothesis.Length; j++)
                distance[i, j] = Equals(reference[i - 1], hypothesis[j - 1]) ? distance[i - 1, j - 1]
                    : 1 + Math.Min(distance[i - 1, j - 1], Math.Min(distance[i - 1, j], distance[i, j - 1]));
        return Count(reference, hypothesis, distance);
    }

    // Of the alignments with the fewest errors one without a deletion and an insertion where substitutions do.
    private static ErrorRate Count<T>(T[] reference, T[] hypothesis, int[,] distance)
    {
        var (hits, substitutions, deletions, insertions) = (0, 0, 0, 0);
        for (int i = reference.Length, j = hypothesis.Length; i > 0 || j > 0;)
        {
            var isSame = i > 0 && j > 0 && Equals(reference[i - 1], hypothesis[j - 1]);
            if (i > 0 && j > 0 && distance[i, j] == distance[i - 1, j - 1] + (isSame ? 0 : 1))
            {
                (i, j) = (i - 1, j - 1);
                if (isSame) hits++;
                else substitutions++;
            }
            else if (i > 0 && distance[i, j] == distance[i - 1, j] + 1) (i, deletions) = (i - 1, deletions + 1);
            else (j, insertions) = (j - 1, insertions + 1);
        }
        return new(hits, substitutions, deletions, insertions);
    }
}
