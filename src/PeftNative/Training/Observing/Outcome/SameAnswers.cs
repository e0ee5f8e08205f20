namespace PeftNative.Training.Observing.Outcome;

/// <summary>All training records have the same answer.</summary>
internal sealed class SameAnswers : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "nothing-to-tell-apart";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => !run.IsOneAnswer ? null
        : $"all of {run.Records} have the same answer, so there was nothing to tell apart.";
}
