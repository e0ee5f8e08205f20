namespace PeftNative.Training.Schedules;

/// <summary>
/// The learning rate of every optimizer step, by the names and formulas of transformers (optimization.py and
/// SchedulerType). Immutable: a pure function of the step, so that resuming needs no state; safe to use from several
/// threads.
/// </summary>
public sealed class LearningRateSchedule
{
    private readonly Func<double, double> _factor;

    private LearningRateSchedule(string name, double learningRate, Func<double, double> factor)
    {
        Name = name;
        LearningRate = learningRate;
        _factor = factor;
    }

    /// <summary>The schedules there are.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "cosine_with_min_lr",
        "polynomial",
        "inverse_sqrt", "warmup_stable_decay",
    ];

    /// <summary>The schedule's name.</summary>
    public string Name { get; }

    /// <summary>The rate that the schedule scales.</summary>
    public double LearningRate { get; }

    /// <summary>The rate that optimizer step <paramref name="step"/> uses, counted from 0.</summary>
    public double Rate(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        return LearningRate * _factor(step);
    }

    /// <summary>The number of warm-up steps that a share of the run means: rounded up, as in transformers.</summary>
    public static long WarmupSteps(double warmupRatio, long totalSteps) =>
        warmupRatio is >= 0 and <= 1
            ? (long)Math.Ceiling(warmupRatio * totalSteps)
            : throw new UsageException($"warmup_ratio must lie between 0 and 1, not {warmupRatio}.");

    /// <summary>Makes a schedule.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="learningRate">The highest rate.</param>
    /// <param name="warmupSteps">
    /// Steps of linear increase from 0; <c>constant</c> ignores it, as transformers does.
    /// </param>
    /// <param name="totalSteps">Optimizer steps of the whole run.</param>
    /// <param name="arguments">The schedule's own settings.</param>
    /// <exception cref="UsageException">An unknown name, or a value the schedule cannot work with.</exception>
    public static LearningRateSchedule Create(
        string name, double learningRate, long warmupSteps, long totalSteps, ScheduleArguments? arguments = null)
    {
        Require(double.IsFinite(learningRate) && learningRate >= 0,
            $"The learning rate must be a number of at least 0, not {learningRate}.");
        Require(warmupSteps >= 0, $"warmup_steps must be at least 0, not {warmupSteps}.");
        Require(totalSteps > 0, $"A schedule needs at least one step, not {totalSteps}.");
        arguments ??= new ScheduleArguments();
        var shape = new ScheduleShape(warmupSteps, totalSteps, arguments);
        return new LearningRateSchedule(name, learningRate, name switch
        {
            "constant" => _ => 1,
            "constant_with_warmup" => shape.WarmedUp(_ => 1),
            "linear" => shape.WarmedUp(step => Math.Max(0, 1 - shape.Progress(step))),
            "cosine" => shape.Cosine(floor: 0),
            "cosine_with_restarts" => shape.CosineWithRestarts(),
            "cosine_with_min_lr" => shape.Cosine(shape.MinimumShare(learningRate)),
            "polynomial" => shape.Polynomial(learningRate),
            "inverse_sqrt" => shape.InverseSquareRoot(),
            "warmup_stable_decay" => shape.WarmupStableDecay(),
            _ => throw new UsageException(
                $"There is no learning rate schedule '{name}'.", null, $"Known: {string.Join(", ", Names)}."),
        });
    }

    internal static void Require(bool holds, string message)
    {
        if (!holds) throw new UsageException(message);
    }
}
