using System.Globalization;
using Microsoft.Extensions.Logging;
using PeftNative.Training.Loop;

namespace PeftNative.Extensions.Logging;

/// <summary>
/// Writes the events of a training run to a logger: steps as debug, evaluations and saves as information, warnings as
/// warnings.
/// </summary>
public static partial class TrainingLogging
{
    /// <summary>
    /// A receiver for <see cref="Trainer.Run(IProgress{TrainEvent}, CancellationToken)"/>. It logs on the calling
    /// thread, in order; as thread-safe as the logger.
    /// </summary>
    public static IProgress<TrainEvent> ForTraining(this ILogger logger) => new Receiver(logger);

    private sealed class Receiver(ILogger logger) : IProgress<TrainEvent>
    {
        public void Report(TrainEvent value)
        {
            switch (value)
            {
                case StepEvent step: Stepped(logger, step.Step, step.TotalSteps, step.Loss, step.GradientNorm,
                    step.LearningRate); break;
                case EvalEvent evaluation: Evaluated(logger, evaluation.Step, Text(evaluation.Metrics),
                    evaluation.IsBest); break;
                case SavedEvent saved: Saved(logger, saved.Step, saved.Folder); break;
                case WarningEvent warning: Warned(logger, warning.Step, warning.Message); break;
            }
        }

        private static string Text(IReadOnlyDictionary<string, double> metrics) =>
            string.Join(", ",
                metrics.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Key} {m.Value:0.####}")));
    }

    [LoggerMessage(1, LogLevel.Debug,
        "Step {Step} of {TotalSteps}: loss {Loss}, gradient norm {GradientNorm}, learning rate {LearningRate}")]
    private static partial void Stepped(ILogger logger, int step, int totalSteps, double loss, double gradientNorm,
        double learningRate);

    [LoggerMessage(2, LogLevel.Information, "Evaluation after step {Step}: {Metrics}; best so far: {IsBest}")]
    private static partial void Evaluated(ILogger logger, int step, string metrics, bool isBest);

    [LoggerMessage(3, LogLevel.Information, "Saved after step {Step}: {Folder}")]
    private static partial void Saved(ILogger logger, int step, string folder);

    [LoggerMessage(4, LogLevel.Warning, "Step {Step}: {Message}")]
    private static partial void Warned(ILogger logger, int step, string message);
}
