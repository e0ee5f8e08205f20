namespace PeftNative.Lab.Cases;

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
