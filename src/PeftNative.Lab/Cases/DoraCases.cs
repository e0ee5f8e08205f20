using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>DoRA's scale.</summary>
internal sealed record DoraScaleCase(int N, int K, int R) : OperationCase
{
    public bool NormOnly { get; init; }

    private protected override bool IsProduct => true;

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 150; i++)
            yield return new DoraScaleCase(Sizes.Width(random), Sizes.Width(random), random.Pick(1, 2, 3, 8, 16, 17))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                NormOnly = random.Chance(0.2),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var op = new DoraScaleOp
        {
            W = run.Weight("w", N, K, (_, k, v) => k == 0 ? 1 : v), // a row of zeros has no norm to divide by
            A = run.Parameter("a", R, K),
            B = run.Parameter("b", N, R),
            Scale = 0.7,
            Magnitude = run.Parameter("magnitude", 1, N),
            Norm = run.Statistic("norm", 1, N),
            G = NormOnly ? default : run.Statistic("g", 1, N),
        };
        run.Backend.Forward(op);
        run.Backend.Backward(op, new DoraScaleGradients
        {
            DG = run.Parameter("dg", 1, N),
            DMagnitude = run.Sum("dmagnitude", 1, N),
        });
    }
}
