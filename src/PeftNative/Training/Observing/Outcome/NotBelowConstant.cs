namespace PeftNative.Training.Observing.Outcome;

/// <summary>A classifier is no better than one answer for all records.</summary>
internal sealed class NotBelowConstant : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "loss-of-a-constant";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => !run.Model.Task.Classifies() || run.Loss is not { } loss
        || run.Constant <= 0 || loss <= LearnedShare * run.Constant ? null
        : $"the loss on {run.Records} is {RunOutcome.Show(loss)}; always giving the same answer has "
            + $"{RunOutcome.Show(run.Constant)}.";

    // A classifier that has learned anything is well below the constant answer on its own records.
    private const double LearnedShare = 0.98;
}
