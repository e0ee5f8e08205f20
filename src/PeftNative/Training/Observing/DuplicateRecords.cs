namespace PeftNative.Training.Observing;

/// <summary>Examples that are trained and evaluated on, so that evaluation measures memory.</summary>
internal sealed class DuplicateRecords : IObserver
{
    /// <inheritdoc/>
    public string Name => "evaluation-in-training";

    /// <inheritdoc/>
    public string? Look(RunFacts run, DataSurvey survey) => survey.FirstDuplicate is not { } first ? null
        : $"{survey.Duplicates} of {survey.Examples} training examples are in the evaluation data, too, the first "
            + $"being {first.Train} ({first.Eval}); evaluation looks better there than it is.";
}
