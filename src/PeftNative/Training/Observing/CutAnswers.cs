namespace PeftNative.Training.Observing;

/// <summary>Answers that were cut off, so that they teach no end.</summary>
internal sealed class CutAnswers : IObserver
{
    /// <inheritdoc/>
    public string Name => "answers-cut-off";

    /// <inheritdoc/>
    public string? Look(RunFacts run, DataSurvey survey) => survey.CutAnswers == 0 ? null
        : $"{survey.CutAnswers} of {survey.Examples} answers are cut off and lose their end, the first being "
            + $"{survey.FirstCutAnswer}; a larger max_seq_length keeps them whole.";
}
