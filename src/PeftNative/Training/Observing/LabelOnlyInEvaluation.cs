namespace PeftNative.Training.Observing;

/// <summary>Labels of the model that the evaluation data has and no training example.</summary>
internal sealed class LabelOnlyInEvaluation : IObserver
{
    private const int Shown = 10;

    /// <inheritdoc/>
    public string Name => "label-only-in-evaluation";

    /// <inheritdoc/>
    public string? Look(RunFacts run, DataSurvey survey)
    {
        if (run.Model.Config.ProblemType == ProblemType.Regression) return null;
        List<string> labels = [.. run.Model.Config.Labels.Take(survey.EvalLabels.Length)
            .Where((_, i) => survey.EvalLabels[i] > 0 && survey.TrainLabels[i] == 0)];
        return labels.Count == 0 ? null
            : $"only the evaluation data has the label {string.Join(", ", labels.Take(Shown))}"
                + $"{(labels.Count > Shown ? ", ..." : "")}: no training example teaches it.";
    }
}
