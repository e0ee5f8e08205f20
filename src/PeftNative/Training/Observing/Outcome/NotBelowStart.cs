namespace PeftNative.Training.Observing.Outcome;

/// <summary>A language model is no better on its records than before.</summary>
internal sealed class NotBelowStart : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "loss-of-the-base";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => run.Loss is not { } loss || run.Before is not { } before
        || loss <= LanguageShare * before ? null
        : $"the loss on {run.Records} is {RunOutcome.Show(loss)}; before the first step it was "
            + $"{RunOutcome.Show(before)}.";

    private const double LanguageShare = 0.999;
}
