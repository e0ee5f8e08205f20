namespace PeftNative.Training.Metrics;

/// <summary>
/// Tags of words without prefixes (PER, ORG, O), scored as a person means them: word by word, over all labels but O.
/// seqeval takes their first letter for a prefix, so that ORG is O to it and does not exist. Pure functions.
/// </summary>
public static class PlainTags
{
    private const string Outside = "O";

    /// <summary>Precision, recall and F1 over hits and misses of all labels but O together.</summary>
    /// <param name="labels">The labels by index.</param>
    /// <param name="matrix">Counts of words by label and prediction.</param>
    public static (double Precision, double Recall, double F1) Scores(IReadOnlyList<string> labels,
        ConfusionMatrix matrix)
    {
        long hits = 0, labelled = 0, predicted = 0;
        for (var i = 0; i < labels.Count; i++)
        {
            if (labels[i] == Outside) continue;
            hits += matrix[i, i];
            for (var j = 0; j < labels.Count; j++)
                (labelled, predicted) = (labelled + matrix[i, j], predicted + matrix[j, i]);
        }
        return (ConfusionMatrix.Ratio(hits, predicted), ConfusionMatrix.Ratio(hits, labelled),
            ConfusionMatrix.Ratio(2 * hits, labelled + predicted));
    }
}
