using System.Globalization;
using PeftNative.Data.Encoding;
using PeftNative.Models;

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

    private const int MostExamples = 256, MostTokens = 1 << 14;

    // A classifier that has learned anything is well below the constant answer on its own records.
    private const double LearnedShare = 0.98, OneLabelShare = 0.9, LanguageShare = 0.999;

    private readonly Trainer trainer;
    private readonly TransformerModel model;
    private readonly int batchSize;
    private readonly List<Example> sample;
    private readonly double? before;
    private bool hasGradient, hasRate;

    /// <summary>Looks at a language model before its first step.</summary>
    internal LearningCheck(Trainer trainer, TransformerModel model, EncodedData train, int batchSize)
    {
        (this.trainer, this.model, this.batchSize) = (trainer, model, batchSize);
        sample = Some(train.Examples);
        if (IsLong && model.Task.WritesText() && trainer.CompletedSteps == 0)
            before = Measure(default).Metrics!["loss"];
    }

    /// <summary>Takes note of a step.</summary>
    internal void See(StepEvent step)
    {
        hasGradient |= step.GradientNorm != 0;
        hasRate |= step.LearningRate != 0;
    }

    /// <summary>Why the run has not learned, a sentence each; empty when it has, or when it was cancelled.</summary>
    internal IReadOnlyList<string> Reasons(CancellationToken cancellation)
    {
        if (!hasGradient && model.Task.Classifies() && ConstantAnswer.Loss(sample, model.Config.ProblemType) <= 0)
            return [$"all of {Records} have the same answer, so there was nothing to tell apart."];
        if (!hasGradient) return ["every gradient was zero, so the adapter is what it was at the start."];
        if (!hasRate) return ["the learning rate was 0 in every step, so the adapter is what it was at the start."];
        if (!IsLong || Measure(cancellation) is not { Metrics: { } metrics } measured) return [];
        var loss = metrics["loss"];
        return [.. model.Task.WritesText() ? OfText(loss) : OfAnswers(loss, measured.Predictions)];
    }

    private bool IsLong => trainer.TotalSteps >= LeastSteps;

    private (IReadOnlyDictionary<string, double>? Metrics, IReadOnlyList<int> Predictions) Measure(
        CancellationToken cancellation)
    {
        using var evaluator = new Evaluator(model, EncodedData.Of(sample), batchSize, trainer.Adapter);
        return (evaluator.Run(cancellation: cancellation), evaluator.Predictions);
    }

    private IEnumerable<string> OfText(double loss)
    {
        if (before is { } first && !(loss <= LanguageShare * first))
            yield return $"the loss on {Records} is {Show(loss)}; before the first step it was {Show(first)}.";
    }

    private IEnumerable<string> OfAnswers(double loss, IReadOnlyList<int> predictions)
    {
        var constant = ConstantAnswer.Loss(sample, model.Config.ProblemType);
        if (constant <= 0) yield break; // all records have the same answer
        if (!(loss <= LearnedShare * constant))
            yield return $"the loss on {Records} is {Show(loss)}; always giving the same answer has {Show(constant)}.";
        if (predictions is [var first, ..] && predictions.All(p => p == first) && !(loss <= OneLabelShare * constant))
            yield return $"'{model.Config.Labels[first]}' is predicted for all of {Records}.";
    }

    private string Records => $"{sample.Count.ToString(CultureInfo.InvariantCulture)} of the training records";

    private static string Show(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);

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
