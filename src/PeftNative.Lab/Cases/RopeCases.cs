using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>Rotary embedding, forward on one matrix and backward on another.</summary>
internal sealed record RopeCase(int M, int Heads, int HeadDim, int Half) : OperationCase
{
    private const int MaxPositions = 11;

    /// <summary>Columns between heads.</summary>
    public int Gap { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 200; i++)
        {
            var half = random.Pick(1, 2, 3, 4, 8, 15, 16, 17, 32);
            yield return new RopeCase(Sizes.Rows(random), random.Pick(1, 2, 3, 5),
                2 * half + random.Pick(0, 0, 2, 5), half)
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Gap = random.Pick(0, 0, 3, 64),
            };
        }
    }

    internal override void Execute(CaseRun run)
    {
        var op = new RopeOp
        {
            X = run.InOut("x", M, Heads * (HeadDim + Gap), Match.ExactIntegers),
            Heads = Heads,
            HeadStride = HeadDim + Gap,
            Positions = run.Indices("positions", M, MaxPositions),
            Cos = run.Parameter("cos", MaxPositions, Half, Spread.Narrow),
            Sin = run.Parameter("sin", MaxPositions, Half, Spread.Narrow),
        };
        run.Backend.Forward(op);
        run.Backend.Backward(op with { X = run.InOut("dx", M, Heads * (HeadDim + Gap), Match.ExactIntegers) });
    }
}
