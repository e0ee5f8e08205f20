using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Tensors;
using PeftNative.Training.Observing;
using PeftNative.Training.Observing.Outcome;

namespace PeftNative.Training.Loop;

/// <summary>
/// Finds out whether a run has learned: whether gradients and rate moved the adapter at all, and how the trained model
/// does on some of the records that it was trained on, against always giving the same answer (classifiers) or against
/// the model as it was (language models). Costs a few forward passes. Belongs to one thread at a time.
/// </summary>
internal sealed class LearningCheck
{
    /// <summary>With fewer steps a run is a trial: its loss need not have fallen.</summary>
    internal const int LeastSteps = 20;

    private const int MostExamples = 256, MostTokens = 1 << 14, MostValues = 1 << 16;

    private readonly Trainer trainer;
    private readonly TransformerModel model;
    private readonly TrainerOptions options;
    private readonly EncodedData train;
    private readonly List<Example> sample;
    private readonly double? before;
    private readonly (double Squares, float[] Values) start;
    private bool hasGradient, hasRate;

    /// <summary>Looks at the adapter, and at a language model, before the first step.</summary>
    internal LearningCheck(Trainer trainer, TransformerModel model, EncodedData train, TrainerOptions options)
    {
        (this.trainer, this.model, this.train, this.options) = (trainer, model, train, options);
        sample = Some(train.Examples);
        start = Values();
        if (IsLong && model.Task.WritesText() && trainer.CompletedSteps == 0)
            before = Measure(default).Metrics!["loss"];
    }

    /// <summary>Takes note of a step.</summary>
    internal void See(StepEvent step)
    {
        hasGradient |= step.GradientNorm != 0;
        hasRate |= step.LearningRate != 0;
    }

    /// <summary>
    /// What is to be said of the run, and whether it means that nothing was learned; empty when it was cancelled.
    /// </summary>
    internal IReadOnlyList<(Observation Observation, bool MeansNotLearned)> Observe(CancellationToken cancellation)
    {
        var isClassifier = model.Task.Classifies();
        var constant = isClassifier ? ConstantAnswer.Loss(sample, model.Config.ProblemType, options.ClassWeights) : 0;
        var (squares, values) = Values();
        var outcome = new RunOutcome
        {
            Model = model, Sampled = sample.Count, HasGradient = hasGradient, HasRate = hasRate, Constant = constant,
            HasMoved = squares != start.Squares || !values.AsSpan().SequenceEqual(start.Values),
            IsIdle = trainer.Adapter.IsMethodIdle, Before = before,
            // A rare answer may be in none of the sampled records.
            IsOneAnswer = isClassifier && constant <= 0
                && ConstantAnswer.Loss(train.Examples, model.Config.ProblemType, options.ClassWeights) <= 0,
        };
        if (!IsLong || outcome is { HasGradient: false } or { HasRate: false } or { HasMoved: false })
            return OutcomeObservations.Of(outcome);
        return Measure(cancellation) is not { Metrics: { } metrics } measured ? []
            : OutcomeObservations.Of(outcome with { Loss = metrics["loss"], Predictions = measured.Predictions });
    }

    private bool IsLong => trainer.TotalSteps >= LeastSteps;

    private (IReadOnlyDictionary<string, double>? Metrics, IReadOnlyList<int> Predictions) Measure(
        CancellationToken cancellation)
    {
        using var evaluator = new Evaluator(model, EncodedData.Of(sample), options.BatchSize, trainer.Adapter)
        {
            ClassWeights = options.ClassWeights,
        };
        return (evaluator.Run(cancellation: cancellation), evaluator.Predictions);
    }

    // Of a large adapter the first values and the sum of all squares: no update keeps both as they are.
    private (double Squares, float[] Values) Values()
    {
        var buffer = trainer.Adapter.Buffer.Values;
        return (model.Backend.SumOfSquares(buffer),
            HostValues.Download(model.Backend, buffer.Slice(0, Math.Min(MostValues, buffer.Columns))));
    }

    // Spread evenly over the data, which may be sorted by label.
    private static List<Example> Some(IReadOnlyList<Example> examples)
    {
        var count = Math.Min(MostExamples, examples.Count);
        var (result, tokens) = (new List<Example>(count), 0L);
        for (var i = 0; i < count && tokens < MostTokens; i++)
        {
            result.Add(examples[(int)((long)i * examples.Count / count)]);
            tokens += result[^1].Length;
        }
        return result;
    }
}
