using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>A bottleneck adapter with all its options.</summary>
internal sealed record BottleneckCase(Activation Activation, int M, int D, int B) : OperationCase
{
    public bool NoBias { get; init; }

    public bool OutputScale { get; init; }

    public bool Residual { get; init; }

    public bool InPlace { get; init; }

    public bool Frozen { get; init; }

    public bool NoDX { get; init; }

    private protected override bool IsProduct => true;

    private bool IsCurved => Activation is not (Activation.Identity or Activation.Relu);

    private Match Rule => IsCurved ? Match.Close : Match.ExactIntegers;

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 120; i++)
            yield return One(random, Sizes.Rows(random), Sizes.Width(random),
                random.Pick(1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 48, 61, 64));
        (int, int, int)[] edges =
            [(63, 64, 63), (64, 65, 64), (65, 127, 65), (1, 193, 64), (129, 42, 16), (3, 42, 3), (1, 1, 1),
                (301, 40, 9), (577, 9, 5), (16, 130, 101)];
        foreach (var (m, d, b) in edges)
            for (var i = 0; i < 2; i++) yield return One(random, m, d, b);
    }

    internal override void Execute(CaseRun run)
    {
        var (residual, y) = Residual ? run.Pair(InPlace, "residual", "y", M, D, Rule)
            : (default, run.Output("y", M, D, Rule));
        var op = new BottleneckOp
        {
            X = run.Input("x", M, D),
            // A sum next to a kink or in a tail may be rounded to its other side: the values are exact in 16 bits, and
            // small.
            DownWeight = run.Parameter("down weight", B, D,
                shape: (_, _, v) => Elements.Round(DType.BFloat16, IsCurved ? v / D : v)),
            DownBias = NoBias ? default : run.Parameter("down bias", 1, B),
            Activation = Activation,
            UpWeight = run.Parameter("up weight", D, B),
            UpBias = NoBias ? default : run.Parameter("up bias", 1, D),
            OutputScale = OutputScale ? run.Parameter("output scale", 1, D) : default,
            Residual = residual,
            Down = run.Output("down", M, B, Match.ExactIntegers),
            Inner = run.Scratch(run.Backend.ComputeType, M, B),
            PreScale = OutputScale ? run.Scratch(run.Backend.ComputeType, M, D) : default,
            Y = y,
        };
        run.Backend.Forward(op);
        run.Backend.Backward(op, new BottleneckGradients
        {
            DY = run.Input("dy", M, D),
            DX = NoDX ? default : run.Output("dx", M, D, Rule),
            DDownWeight = Frozen ? default : run.Sum("ddown weight", B, D, Rule),
            DDownBias = Frozen || NoBias ? default : run.Sum("ddown bias", 1, B, Rule),
            DUpWeight = Frozen ? default : run.Sum("dup weight", D, B, Rule),
            DUpBias = Frozen || NoBias ? default : run.Sum("dup bias", 1, D, Rule),
            DOutputScale = OutputScale ? run.Sum("doutput scale", 1, D, Rule) : default,
            Scratch = run.Scratch(run.Backend.ComputeType, 1, M * (D + 2 * B)),
        });
    }

    private static BottleneckCase One(CaseRandom random, int m, int d, int b)
    {
        var activation = random.Pick(Activation.Identity, Activation.Relu, Activation.Relu, Activation.Gelu,
            Activation.GeluTanh,
            Activation.Silu, Activation.Tanh, Activation.Sigmoid);
        var family = Sizes.Family(random);
        return new BottleneckCase(activation, m, d, b)
        {
            Family = activation is Activation.Identity or Activation.Relu ? family : Family.Uniform,
            Strided = random.Chance(0.4),
            NoBias = random.Chance(0.2),
            OutputScale = random.Chance(0.3),
            Residual = random.Chance(0.7),
            InPlace = random.Chance(0.5),
            Frozen = random.Chance(0.1),
            NoDX = random.Chance(0.1),
        };
    }
}
