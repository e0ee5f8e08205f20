namespace PeftNative.Training.Observing.Outcome;

/// <summary>Looks for one thing when a run is over. Stateless.</summary>
internal interface IOutcomeObserver
{
    /// <summary>The name of what it observes.</summary>
    string Name { get; }

    /// <summary>Whether the run has learned nothing then.</summary>
    bool MeansNotLearned => true;

    /// <summary>What it found, in a sentence; null when all is well.</summary>
    string? Look(RunOutcome run);
}

/// <summary>What is looked for after the last step: one list, a small class for each thing.</summary>
internal static class OutcomeObservations
{
    // Each of the first ones explains all that follow it.
    private static readonly IOutcomeObserver[] Causes =
        [new SameAnswers(), new GradientZero(), new RateZero(), new AdapterUnchanged()];

    private static readonly IOutcomeObserver[] Signs =
        [new AdapterWithoutInfluence(), new NotBelowConstant(), new OneLabelPredicted(), new NotBelowStart()];

    /// <summary>What was found, and whether it means that nothing was learned.</summary>
    internal static IReadOnlyList<(Observation Observation, bool MeansNotLearned)> Of(RunOutcome run)
    {
        var causes = Found(Causes, run).Take(1).ToList();
        return causes.Count > 0 ? causes : [.. Found(Signs, run)];
    }

    private static IEnumerable<(Observation, bool)> Found(IOutcomeObserver[] observers, RunOutcome run)
    {
        foreach (var observer in observers)
            if (observer.Look(run) is { } text)
                yield return (new Observation(observer.Name, text), observer.MeansNotLearned);
    }
}
