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
