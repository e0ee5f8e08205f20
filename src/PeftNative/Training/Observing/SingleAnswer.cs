namespace PeftNative.Training.Observing;

/// <summary>All training examples have the same answer, so there is nothing to tell apart.</summary>
internal sealed class SingleAnswer : IObserver
{
    /// <inheritdoc/>
    public string Name => "single-answer";

    /// <inheritdoc/>
    public string? Look(RunFacts run, DataSurvey survey)
    {
        if (!run.Model.Task.Classifies() || !survey.HasOneAnswer) return null;
        var only = survey.TrainLabels.Count(c => c > 0) == 1 && run.Model.Config.ProblemType != ProblemType.Regression
            ? $" ({run.Model.Config.Labels[Array.FindIndex(survey.TrainLabels, c => c > 0)]})" : "";
        return $"all {survey.Examples} training examples have the same answer{only}: there is nothing to tell apart.";
    }
}
