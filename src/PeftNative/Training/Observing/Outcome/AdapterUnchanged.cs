namespace PeftNative.Training.Observing.Outcome;

/// <summary>There were gradients, and no value has moved.</summary>
internal sealed class AdapterUnchanged : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "adapter-unchanged";

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => run.HasMoved ? null
        : "the adapter has the values that it had at the start, although there were gradients: the learning rate is "
            + "too small for these numbers.";
}
