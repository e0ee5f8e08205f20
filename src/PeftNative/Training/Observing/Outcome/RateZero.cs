namespace PeftNative.Training.Observing.Outcome;

/// <summary>Every step had the rate 0.</summary>
internal sealed class RateZero : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "rate-zero";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => run.HasRate ? null
        : "the learning rate was 0 in every step, so the adapter is what it was at the start.";
}
