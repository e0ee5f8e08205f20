using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

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
