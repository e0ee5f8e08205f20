namespace PeftNative.Training.Observing;

/// <summary>What is looked for before the first step: one list, a small class for each thing.</summary>
public static class RunObservations
{
    private static readonly IObserver[] Observers =
    [
        new EndNeverTrained(), new CutAnswers(), new DuplicateRecords(), new LabelOnlyInEvaluation(),
        new SingleAnswer(),
    ];

    /// <summary>
    /// What a person should know before training. Reads all examples once, and costs no pass through the model.
    /// </summary>
    public static IReadOnlyList<Observation> Before(RunFacts run)
    {
        var survey = new DataSurvey(run);
        return [.. Observers.Select(o => (o.Name, Text: o.Look(run, survey))).Where(o => o.Text is not null)
            .Select(o => new Observation(o.Name, o.Text!))];
    }
}
