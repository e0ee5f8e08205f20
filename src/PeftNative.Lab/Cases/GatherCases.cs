using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

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
