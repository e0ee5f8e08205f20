namespace PeftNative.Training.Observing.Outcome;

/// <summary>A classifier gives all records the same label.</summary>
internal sealed class OneLabelPredicted : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "one-label-predicted";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => run.Constant <= 0 || run.Loss is not { } loss
        || run.Predictions is not [var first, ..] || run.Predictions.Any(p => p != first)
        || loss <= OneLabelShare * run.Constant ? null
        : $"'{run.Model.Config.Labels[first]}' is predicted for all of {run.Records}.";

    // A rare label need not be the likeliest anywhere; the loss tells whether it is known all the same.
    private const double OneLabelShare = 0.9;
}
