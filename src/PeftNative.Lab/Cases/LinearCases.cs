using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>How many low-rank pairs there are and which rows they take.</summary>
internal enum PairLayout
{
    None,

    /// <summary>One pair for all rows.</summary>
    All,

    /// <summary>Two pairs that split the rows: a mixed batch.</summary>
    Split,

    /// <summary>Three pairs: one without rows, one for all, one more for the last rows.</summary>
    Overlapping,
}

/// <summary>A linear layer with all its options.</summary>
internal sealed record LinearCase(int M, int K, int N) : OperationCase
{
    public PairLayout Pairs { get; init; }

    public int R { get; init; }

    public double Dropout { get; init; }

    public bool FrozenA { get; init; }

    public bool FrozenB { get; init; }

    public bool Bias { get; init; }

    public bool InputScale { get; init; }

    public bool OutputScale { get; init; }

    public bool ScaleBeforeBias { get; init; }

    public bool Residual { get; init; }

    public bool InPlace { get; init; }

    /// <summary>Whether the weight is trained.</summary>
    public bool DW { get; init; }

    public bool NoDX { get; init; }

    public bool AccumulateDX { get; init; }

    /// <summary>Whether the weight is codes of 8 bits, and products are of codes.</summary>
    public bool Codes { get; init; }

    private const double SmallestNormal = 1.17549435e-38;

    // Codes of whole numbers stand for others.
    private Match Exact => Codes ? Match.Close : Match.ExactIntegers;

    private protected override bool IsProduct => true;

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 1400; i++)
        {
            var pairs = random.Pick(PairLayout.None, PairLayout.All, PairLayout.All, PairLayout.Split,
                PairLayout.Overlapping);
            var trained = random.Chance(0.2);
            yield return new LinearCase(Sizes.Rows(random), Sizes.Width(random), Sizes.Width(random))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Pairs = pairs,
                R = pairs == PairLayout.None ? 0 : random.Pick(1, 2, 3, 4, 8, 16, 17),
                Dropout = pairs != PairLayout.None && random.Chance(0.3) ? random.Pick(0.5, 0.1) : 0,
                FrozenA = pairs != PairLayout.None && random.Chance(0.1),
                FrozenB = pairs != PairLayout.None && random.Chance(0.1),
                Bias = random.Chance(0.5),
                InputScale = random.Chance(0.2),
                OutputScale = random.Chance(0.3),
                ScaleBeforeBias = random.Chance(0.3),
                Residual = random.Chance(0.4),
                InPlace = random.Chance(0.5),
                DW = trained,
                NoDX = random.Chance(0.1),
                AccumulateDX = random.Chance(0.4),
            };
        }
        (int, int, int)[] larger = [(65, 257, 129), (129, 65, 257), (1, 769, 131), (257, 128, 64), (64, 512, 96)];
        foreach (var (m, k, n) in larger)
            foreach (var family in Enum.GetValues<Family>())
                yield return new LinearCase(m, k, n)
                {
                    Family = family,
                    Pairs = PairLayout.All,
                    R = 8,
                    Bias = true,
                };
    }

    /// <summary>
    /// Weights of codes; sizes around edges of words of four besides, and reductions of several blocks.
    /// </summary>
    public static IEnumerable<OperationCase> SampleCodes(CaseRandom random)
    {
        for (var i = 0; i < 150; i++)
        {
            var pairs = random.Pick(PairLayout.None, PairLayout.All, PairLayout.Split, PairLayout.Overlapping);
            int Size() => random.Chance(0.3) ? random.Pick(4, 5, 12, 52, 96, 100, 127) : Sizes.Width(random);
            yield return new LinearCase(Sizes.Rows(random), Size(), Size())
            {
                Codes = true, Family = Sizes.Family(random), Strided = random.Chance(0.4), Pairs = pairs,
                R = pairs == PairLayout.None ? 0 : random.Pick(1, 3, 8),
                Dropout = pairs != PairLayout.None && random.Chance(0.2)
                    ? 0.5 : 0, Bias = random.Chance(0.5), InputScale = random.Chance(0.2),
                OutputScale = random.Chance(0.3), ScaleBeforeBias = random.Chance(0.3), Residual = random.Chance(0.4),
                InPlace = random.Chance(0.5),
                NoDX = random.Chance(0.1), AccumulateDX = random.Chance(0.4),
            };
        }
        (int, int, int)[] larger = [(33, 257, 65), (1, 769, 131), (5, 4229, 3), (9, 7, 8456)];
        foreach (var (m, k, n) in larger)
            yield return new LinearCase(m, k, n) { Codes = true, Family = Family.Uniform, Pairs = PairLayout.All, R = 8,
                Bias = true };
    }

    internal override void Execute(CaseRun run)
    {
        var x = run.Input("x", M, K);
        var w = Codes ? run.Codes("w", N, K) : run.Weight("w", N, K);
        var (residual, y) = Residual
            ? run.Pair(InPlace, "residual", "y", M, N, Exact)
            : (default, run.Output("y", M, N, Exact));
        var op = new LinearOp
        {
            X = x,
            W = w,
            WMaxima = Codes ? run.Parameter("w maxima", 1, N, Spread.Narrow, (_, _, v) => Math.Abs(v)) : default,
            Bias = Bias ? run.Parameter("bias", 1, N) : default,
            LowRank = PairsOf(run),
            LowRankCount = PairRanges().Length,
            InputScale = InputScale ? run.Parameter("input scale", 1, K) : default,
            OutputScale = OutputScale ? run.Parameter("output scale", 1, N) : default,
            ScaleBeforeBias = ScaleBeforeBias,
            PreScale = OutputScale ? run.Output("pre-scale", M, N, Exact) : default,
            Residual = residual,
            Y = y,
        };
        run.Backend.Forward(op);
        var gradients = Gradients(run);
        if (Codes && gradients.DX.IsPresent) AllowSubnormalScales(run, op.InputScale, gradients.DX);
        run.Backend.Backward(op, gradients);
    }

    // What a code of a row stands for is its largest magnitude / 127². Of very small rows that is subnormal and has
    // few bits; a large scale of the input then brings the loss to light. In roundings: half of the least number there
    // is, by the largest sum of products of codes.
    private void AllowSubnormalScales(CaseRun run, Tensor inputScale, Tensor dx)
    {
        var scales = inputScale.IsPresent ? run.Values(inputScale) : null;
        run.AllowNoise(dx, e => SmallestNormal * 127 * 127 * N * Math.Abs(scales?[e % K] ?? 1));
    }

    private LinearGradients Gradients(CaseRun run) => new()
    {
        DY = run.Input("dy", M, N),
        DX = NoDX ? default
            : AccumulateDX ? run.InOut("dx", M, K, Exact)
            : run.Output("dx", M, K, Exact),
        AccumulateDX = AccumulateDX && !NoDX,
        DW = DW ? run.Sum("dw", N, K, Match.ExactIntegers) : default,
        DBias = Bias && DW ? run.Sum("dbias", 1, N, Match.ExactIntegers) : default,
        DInputScale = InputScale ? run.Sum("dinput scale", 1, K, Exact) : default,
        DOutputScale = OutputScale ? run.Sum("doutput scale", 1, N, Exact) : default,
        Scratch = run.Scratch(run.Backend.ComputeType, 1, M * (N + K + R)),
    };

    private LowRankPair[] PairsOf(CaseRun run) => [.. PairRanges().Select((range, p) => new LowRankPair
    {
        A = run.Parameter($"a{p}", R, K),
        B = run.Parameter($"b{p}", N, R),
        Scale = Family == Family.Integers ? 0.5 : 16.0 / (R + p),
        RowStart = range.Start,
        RowCount = range.Count,
        S = run.Statistic($"s{p}", range.Count, R, Match.ExactIntegers),
        Dropout = run.Mask($"mask{p}", Family == Family.Integers && Dropout > 0 ? 0.5 : Dropout),
        DroppedX = Dropout > 0 ? run.Output($"dropped x{p}", range.Count, K, Match.ExactIntegers) : default,
        GradA = FrozenA ? default : run.Sum($"da{p}", R, K, Match.ExactIntegers),
        GradB = FrozenB ? default : run.Sum($"db{p}", N, R, Match.ExactIntegers),
    })];

    private (int Start, int Count)[] PairRanges() => Pairs switch
    {
        PairLayout.None => [],
        PairLayout.All => [(0, M)],
        PairLayout.Split => [(0, M / 3), (M / 3, M - M / 3)],
        _ => [(M / 2, 0), (0, M), (M / 2, M - M / 2)],
    };
}
