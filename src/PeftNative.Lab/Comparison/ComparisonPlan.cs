using PeftNative.Data.Encoding;
using PeftNative.Data.Records;
using PeftNative.Training.Loop;
using PeftNative.Training.Optimization;

namespace PeftNative.Lab.Comparison;

/// <summary>What is compared, and with which means; the same for every method but for the learning rate.</summary>
public sealed record ComparisonPlan
{
    /// <summary>The methods and baselines.</summary>
    public required IReadOnlyList<ComparedMethod> Methods { get; init; }

    /// <summary>Numbers of training records, ascending.</summary>
    public required IReadOnlyList<int> Sizes { get; init; }

    /// <summary>Seeds: which records are drawn, the start of adapter and head, the order of the data.</summary>
    public required IReadOnlyList<ulong> Seeds { get; init; }

    /// <summary>Optimizer steps of a run.</summary>
    public int Budget { get; init; } = 200;

    /// <summary>The most passes over the data; it shortens runs on few records.</summary>
    public double MostEpochs { get; init; } = 20;

    /// <summary>Examples per step.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Records whose continuation is generated and compared character for character; 0 for none.</summary>
    public int Continuations { get; init; } = 40;

    /// <summary>The largest number of records.</summary>
    public int LargestSize => Sizes[^1];

    /// <summary>Steps of a run on a number of records.</summary>
    public int StepsFor(int records) =>
        Math.Min(Budget, (int)Math.Ceiling(MostEpochs * Math.Ceiling((double)records / BatchSize)));

    /// <summary>
    /// How a run is trained: linear decay after a warm-up of 6 %, decay 0.01, gradients clipped to norm 1.
    /// </summary>
    public TrainerOptions Options(ComparedMethod method, int records, ulong seed) => new()
    {
        MaxSteps = StepsFor(records), BatchSize = BatchSize, LearningRate = method.LearningRate, Seed = seed,
        CheckLearning = false, // the table says how well each has learned
        LrScheduler = "linear", WarmupRatio = 0.06, Optimizer = new AdamWOptions { WeightDecay = 0.01 }, SaveSteps = 0,
    };
}

/// <summary>What is learned.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Train">All examples to draw from.</param>
/// <param name="Eval">Examples to measure on.</param>
/// <param name="Prompts">For prompts with completions: those of the evaluation, to generate; else empty.</param>
public sealed record ComparedTask(
    string Name, EncodedData Train, EncodedData Eval, IReadOnlyList<PromptRecord> Prompts);
