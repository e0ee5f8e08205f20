using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>Dropout, overwriting, adding and in place.</summary>
internal sealed record DropoutCase(int M, int N, double P) : OperationCase
{
    public bool Accumulate { get; init; }

    public bool InPlace { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 200; i++)
        {
            var family = Sizes.Family(random);
            var accumulate = random.Chance(0.4);
            yield return new DropoutCase(Sizes.Rows(random), Sizes.Width(random),
                family == Family.Integers ? random.Pick(0.5, 0.75) : random.Pick(0.0, 0.1, 0.5, 0.9))
            {
                Family = family,
                Strided = random.Chance(0.4),
                Accumulate = accumulate,
                InPlace = !accumulate && random.Chance(0.4),
            };
        }
    }

    internal override void Execute(CaseRun run)
    {
        var (x, y) = Accumulate
            ? (run.Input("x", M, N), run.InOut("y", M, N, Match.ExactIntegers))
            : run.Pair(InPlace, "x", "y", M, N, Match.ExactIntegers);
        run.Backend.Forward(new DropoutOp { X = x, Mask = run.Mask("mask", P), Accumulate = Accumulate, Y = y });
    }
}

/// <summary>Picking rows, some of them twice.</summary>
internal sealed record GatherCase(int M, int Picked, int D) : OperationCase
{
    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 120; i++)
            yield return new GatherCase(random.Pick(1, 2, 5, 17, 33), Sizes.Rows(random), Sizes.Width(random))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var op = new GatherOp
        {
            X = run.Input("x", M, D),
            Rows = run.Indices("rows", Picked, M),
            Y = run.Output("y", Picked, D, Match.Exact),
        };
        run.Backend.Forward(op);
        run.Backend.Backward(op, new GatherGradients
        {
            DY = run.Input("dy", Picked, D),
            DX = run.InOut("dx", M, D, Match.ExactIntegers),
        });
    }
}

/// <summary>One step of AdamW.</summary>
internal sealed record AdamWCase(int N, int Step) : OperationCase
{
    public double WeightDecay { get; init; }

    public double GradientScale { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 150; i++)
            yield return new AdamWCase(random.Pick(0, 1, 3, 15, 16, 17, 33, 101, 1000, 4099),
                random.Pick(1, 2, 10, 1000, 100_000))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                WeightDecay = random.Pick(0, 0.01, 0.1),
                GradientScale = random.Pick(1, 0.3),
            };
    }

    internal override void Execute(CaseRun run) => run.Backend.Run(new AdamWOp
    {
        Values = run.Sum("values", 1, N),
        Gradients = run.Parameter("gradients", 1, N),
        FirstMoment = run.Sum("first moment", 1, N),
        SecondMoment = run.Sum("second moment", 1, N, shape: (_, _, v) => v * v),
        Step = Step,
        LearningRate = 1e-3,
        Beta1 = 0.9,
        Beta2 = 0.999,
        Epsilon = 1e-8,
        WeightDecay = WeightDecay,
        GradientScale = GradientScale,
    });
}

/// <summary>The sum of squares, with and without an element that is not finite.</summary>
internal sealed record SumOfSquaresCase(int M, int N) : OperationCase
{
    /// <summary>What stands in the last column of the last row instead of a number.</summary>
    public string Poison { get; init; } = "";

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 120; i++)
            yield return new SumOfSquaresCase(random.Pick(1, 1, 3, 17), random.Pick(1, 2, 15, 16, 17, 33, 1000, 4099))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Poison = random.Pick("", "", "", "NaN", "Infinity", "-Infinity"),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var x = run.Parameter("x", M, N, shape: (row, column, v) =>
            Poison.Length > 0 && row == M - 1 && column == N - 1 ? double.Parse(Poison) : v);
        var sum = run.Backend.SumOfSquares(x);
        run.Scalar("is finite", double.IsFinite(sum) ? 1 : 0, Match.Exact);
        run.Scalar("sum", double.IsFinite(sum) ? sum : 0, Match.Double);
    }
}

/// <summary>Y += scale · X, X = value, and copies of every type between different strides.</summary>
internal sealed record ElementwiseCase(int M, int N) : OperationCase
{
    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 150; i++)
            yield return new ElementwiseCase(Sizes.Rows(random), Sizes.Width(random))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.5),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var x = run.Input("x", M, N);
        run.Backend.AddScaled(x, Family == Family.Integers ? 0.5 : 0.3, run.InOut("sum", M, N, Match.ExactIntegers));
        run.Backend.Fill(run.Output("zeros", M, N, Match.Exact), 0);
        run.Backend.Fill(run.Output("halves", M, N, Match.Exact), -0.5);
        run.Backend.Copy(x, run.Output("copy", M, N, Match.Exact));
        run.Backend.Copy(run.Indices("integers", N, 1 << 30), run.IntegerOutput("integer copy", N));
    }
}
