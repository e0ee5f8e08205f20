namespace PeftNative.Training.Metrics;

/// <summary>How well one class is told from the others.</summary>
/// <param name="Precision">Share of its predictions that are right.</param>
/// <param name="Recall">Share of its records that are found.</param>
/// <param name="F1">The harmonic mean of the two.</param>
/// <param name="Support">Its records.</param>
public readonly record struct ClassScore(double Precision, double Recall, double F1, long Support);

/// <summary>What an evaluation found of each label. Immutable.</summary>
/// <param name="Labels">The labels, by index.</param>
/// <param name="Scores">The scores of each.</param>
/// <param name="Confusion">Counts by label and prediction; null where a record may have several labels.</param>
public sealed record ClassReport(IReadOnlyList<string> Labels, IReadOnlyList<ClassScore> Scores,
    ConfusionMatrix? Confusion)
{
    /// <summary>The probability from which each label counts as predicted; null for one half.</summary>
    public IReadOnlyList<double>? Thresholds { get; init; }

    internal static ClassReport Of(IReadOnlyList<string> labels, ConfusionMatrix matrix) =>
        new(labels, [.. labels.Select((_, i) => matrix.Of(i))], matrix);
}
