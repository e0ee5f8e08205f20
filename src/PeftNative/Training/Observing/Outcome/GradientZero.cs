namespace PeftNative.Training.Observing.Outcome;

/// <summary>No step had a gradient.</summary>
internal sealed class GradientZero : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "gradient-zero";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => run.HasGradient ? null
        : "every gradient was zero, so the adapter is what it was at the start.";
}
