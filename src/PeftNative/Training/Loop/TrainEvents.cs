using PeftNative.Training.Metrics;

namespace PeftNative.Training.Loop;

/// <summary>Something that happened in a run.</summary>
public abstract record TrainEvent
{
    /// <summary>Optimizer steps done.</summary>
    public required int Step { get; init; }
}

/// <summary>An optimizer step was taken (or left out, when the gradient norm is not finite).</summary>
public sealed record StepEvent : TrainEvent
{
    /// <summary>Steps of the whole run.</summary>
    public required int TotalSteps { get; init; }

    /// <summary>Passes over the data so far.</summary>
    public required double Epoch { get; init; }

    /// <summary>Mean loss over the labels of the step.</summary>
    public required double Loss { get; init; }

    /// <summary>Share of labels that had the best score; null for losses against values.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Learning rate of the step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Global norm of the gradients before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Tokens of the step.</summary>
    public required int Tokens { get; init; }

    /// <summary>Wall time of the step.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Wall time since the start of the run.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Expected time to the end.</summary>
    public required TimeSpan Remaining { get; init; }
}

/// <summary>The adapter was evaluated.</summary>
public sealed record EvalEvent : TrainEvent
{
    /// <summary>loss, perplexity, accuracy, ...: what fits the task.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>What was found of each label; null for tasks without labels.</summary>
    public ClassReport? Classes { get; init; }

    /// <summary>Whether it is the best so far.</summary>
    public required bool IsBest { get; init; }

    /// <summary>Wall time of the evaluation.</summary>
    public required TimeSpan Duration { get; init; }
}

/// <summary>Something was saved.</summary>
public sealed record SavedEvent : TrainEvent
{
    /// <summary>The folder.</summary>
    public required string Folder { get; init; }
}

/// <summary>Something the user should know.</summary>
public sealed record WarningEvent : TrainEvent
{
    /// <summary>One sentence.</summary>
    public required string Message { get; init; }

    /// <summary>What kind it is, in a few words joined by dashes; null for one of no kind.</summary>
    public string? Name { get; init; }
}

/// <summary>A learning rate was looked for.</summary>
public sealed record RateEvent : TrainEvent
{
    /// <summary>What was tried and what was chosen.</summary>
    public required RateSearchResult Search { get; init; }
}

/// <summary>How a run ended.</summary>
public enum RunEnd
{
    /// <summary>All steps are done.</summary>
    Completed,

    /// <summary>Evaluation stopped improving.</summary>
    EarlyStopped,

    /// <summary>It was cancelled; a checkpoint was saved if there is an output folder.</summary>
    Cancelled,
}

/// <summary>What a run came to.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Steps">Optimizer steps done.</param>
/// <param name="Loss">Mean loss of the last step.</param>
/// <param name="Best">Metrics of the best evaluation, or null.</param>
/// <param name="Last">Metrics of the last evaluation, or null.</param>
/// <param name="Checkpoint">The checkpoint saved on cancelling, or null.</param>
public sealed record TrainResult(
    RunEnd End, int Steps, double Loss, IReadOnlyDictionary<string, double>? Best,
    IReadOnlyDictionary<string, double>? Last, string? Checkpoint)
{
    /// <summary>
    /// Why the run has not learned, a sentence each: the adapter did not move, or the loss on training records is no
    /// lower than that of a constant answer (classifiers) or than before (language models). Empty when it has learned,
    /// was cancelled or not checked.
    /// </summary>
    public IReadOnlyList<string> NotLearned { get; init; } = [];
}
