namespace PeftNative.Training.Observing;

/// <summary>No text or turn is trained to its end token, so a model goes on where it should stop.</summary>
internal sealed class EndNeverTrained : IObserver
{
    /// <inheritdoc/>
    public string Name => "end-never-trained";

    /// <inheritdoc/>
    public string? Look(RunFacts run, DataSurvey survey)
    {
        if (run.Tokenizer is null || !run.Model.Task.WritesText() || survey.HasTrainedEnd) return null;
        var why = run.Tokenizer.EndOfSequenceId is { } end
            ? $"no example trains '{run.Tokenizer.Decode([end], skipSpecialTokens: false)}' or another special token"
            : "the tokenizer has no end token, and no example trains another special one";
        return $"the end of an answer is never trained: {why}, so the model does not learn to stop.";
    }
}
