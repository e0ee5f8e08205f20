namespace PeftNative.Training.Observing.Outcome;

/// <summary>What the method adds changes nothing, although something was trained.</summary>
internal sealed class AdapterWithoutInfluence : IOutcomeObserver
{
    /// <inheritdoc/>
    public string Name => "adapter-without-influence";

    /// <inheritdoc/>
    public bool MeansNotLearned => false;

    /// <inheritdoc/>
    public string? Look(RunOutcome run) => !run.IsIdle ? null
        : "what the method adds to the model changes nothing: its own weights are those of an untrained adapter, and "
            + "only whole modules beside them, such as a head, were trained.";
}
