using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>Cross-entropy, with and without gradient.</summary>
internal sealed record CrossEntropyCase(int M, int V) : OperationCase
{
    private static readonly Spread Scores = new(6, 7);

    public bool Gradient { get; init; }

    public bool Correct { get; init; }

    public double SoftCap { get; init; }

    /// <summary>Whether a fifth of the scores that are no label is -∞.</summary>
    public bool Masked { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 300; i++)
            yield return new CrossEntropyCase(Sizes.Rows(random), random.Pick(1, 2, 3, 7, 16, 17, 31, 33, 101, 1009))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Gradient = random.Chance(0.7),
                Correct = random.Chance(0.5),
                SoftCap = random.Chance(0.3) ? random.Pick(5.0, 30.0) : 0,
                Masked = random.Chance(0.2),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var labels = run.Indices("labels", M, V);
        // Which score is the largest is no question of rounding only where the cap keeps them apart.
        var most = Correct && SoftCap > 0 ? 3 * SoftCap : double.PositiveInfinity;
        double Shape(int row, int column, double value) =>
            Masked && column != run.Integer("labels", row, V) && (row * 7 + column * 3) % 5 == 0
                ? double.NegativeInfinity
                : Math.Clamp(value, -most, most);
        const double Scale = 1.0 / 7;
        var logits = Gradient
            ? run.InOut("logits", M, V, Match.Close, Scores, Shape)
            : run.Input("logits", M, V, Scores, Shape);
        var scores = run.Values(logits);
        var loss = run.Statistic("loss", 1, M);
        // Where the label has nearly all the probability, loss and gradient are small differences of larger numbers.
        run.AllowNoise(loss, i => 1 + LargestFinite(scores.AsSpan(i * V, V)));
        if (Gradient) run.AllowNoise(logits, _ => Scale);
        run.Backend.Run(new CrossEntropyOp
        {
            Logits = logits,
            Labels = labels,
            Loss = loss,
            Correct = Correct ? run.IntegerOutput("correct", M) : default,
            Gradient = Gradient,
            GradientScale = Scale,
            SoftCap = SoftCap,
        });
    }

    private static double LargestFinite(ReadOnlySpan<double> values)
    {
        var largest = 0.0;
        foreach (var v in values)
            if (double.IsFinite(v)) largest = Math.Max(largest, Math.Abs(v));
        return largest;
    }
}

/// <summary>Mean squared error and binary cross-entropy.</summary>
internal sealed record RegressionLossCase(RegressionLoss Kind, int M, int N) : OperationCase
{
    public bool Gradient { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 150; i++)
            yield return new RegressionLossCase(random.Pick(Enum.GetValues<RegressionLoss>()), Sizes.Rows(random),
                random.Pick(1, 1, 2, 3, 7, 17, 33))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Gradient = random.Chance(0.7),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var squared = Kind == RegressionLoss.MeanSquaredError;
        var match = squared ? Match.ExactIntegers : Match.Close;
        var scale = squared ? 0.25 : 1.0 / 7;
        Func<int, int, double, double>? shape = squared ? null : (_, _, v) => v > 0 ? 1 : 0;
        var targets = run.Parameter("targets", M, N, shape: shape);
        var logits = Gradient ? run.InOut("logits", M, N, match) : run.Input("logits", M, N);
        var loss = run.Statistic("loss", 1, M, match);
        var scores = run.Values(logits);
        if (!squared)
        {
            run.AllowNoise(loss, i => N + Sum(scores.AsSpan(i * N, N)));
            if (Gradient) run.AllowNoise(logits, _ => scale);
        }
        run.Backend.Run(new RegressionLossOp
        {
            Logits = logits,
            Targets = targets,
            Kind = Kind,
            Loss = loss,
            Gradient = Gradient,
            GradientScale = scale,
        });
    }

    private static double Sum(ReadOnlySpan<double> values)
    {
        var sum = 0.0;
        foreach (var v in values) sum += Math.Abs(v);
        return sum;
    }
}
