using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>LayerNorm and RmsNorm over whole rows and over groups.</summary>
internal sealed record NormCase(NormKind Kind, int M, int Groups, int D) : OperationCase
{
    private const double Epsilon = 1e-5;

    public bool Beta { get; init; }

    public bool GammaFromOne { get; init; }

    /// <summary>Whether Y is X and DX is DY.</summary>
    public bool InPlace { get; init; }

    public bool AccumulateDX { get; init; }

    public bool Frozen { get; init; }

    /// <summary>Whether each row is one value only, up to rounding.</summary>
    public bool ConstantRows { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 450; i++)
        {
            var layerNorm = random.Chance(0.5);
            yield return new NormCase(layerNorm ? NormKind.LayerNorm : NormKind.RmsNorm, Sizes.Rows(random),
                random.Pick(1, 1, 1, 2, 3), Sizes.Width(random))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Beta = layerNorm && random.Chance(0.8),
                GammaFromOne = random.Chance(0.3),
                InPlace = random.Chance(0.4),
                AccumulateDX = random.Chance(0.4),
                Frozen = random.Chance(0.3),
                ConstantRows = random.Chance(0.05),
            };
        }
    }

    internal override void Execute(CaseRun run)
    {
        var columns = Groups * D;
        var gamma = run.Parameter("gamma", 1, D);
        var beta = Beta ? run.Parameter("beta", 1, D) : default;
        var op = new NormOp
        {
            X = run.Input("x", M, columns, shape: ConstantRows ? (row, _, _) => 1 + row / 3.0 : null),
            Gamma = gamma,
            Beta = beta,
            Kind = Kind,
            Epsilon = Epsilon,
            GammaOffset = GammaFromOne ? 1 : 0,
            Groups = Groups,
            Mean = Kind == NormKind.LayerNorm ? run.Statistic("mean", M, Groups) : default,
            Rstd = run.Statistic("rstd", M, Groups),
            Y = run.Output("y", M, columns),
        };
        run.Backend.Forward(op);
        if (InPlace) ForwardInPlace(run, op);

        var accumulates = AccumulateDX && !InPlace;
        var (dy, dx) = accumulates
            ? (run.Input("dy", M, columns), run.InOut("dx", M, columns))
            : run.Pair(InPlace, "dy", "dx", M, columns);
        var (x, g, gain) = (run.Values(op.X), run.Values(dy), op.GammaOffset + run.Largest(gamma));
        run.AllowNoise(dx, e => gain * TermSize(x.AsSpan(e / D * D, D), g.AsSpan(e / D * D, D)));
        run.Backend.Backward(op, new NormGradients
        {
            DY = dy,
            DX = dx,
            AccumulateDX = accumulates,
            DGamma = Frozen ? default : run.Sum("dgamma", 1, D),
            DBeta = Beta && !Frozen ? run.Sum("dbeta", 1, D) : default,
        });
    }

    // In groups of one or two elements the terms of dX cancel; this is their size without the gain.
    private double TermSize(ReadOnlySpan<double> x, ReadOnlySpan<double> dy)
    {
        double sum = 0, squares = 0, largest = 0;
        for (var d = 0; d < x.Length; d++)
        {
            sum += x[d];
            squares += x[d] * x[d];
            largest = Math.Max(largest, Math.Abs(dy[d]));
        }
        var mean = Kind == NormKind.LayerNorm ? sum / x.Length : 0;
        return largest / Math.Sqrt(Math.Max(0, squares / x.Length - mean * mean) + Epsilon);
    }

    private void ForwardInPlace(CaseRun run, in NormOp op)
    {
        var (x, y) = run.Pair(true, "x in place", "y in place", M, Groups * D);
        run.Backend.Forward(op with
        {
            X = x,
            Y = y,
            Mean = op.Mean.IsPresent ? run.Statistic("mean in place", M, Groups) : default,
            Rstd = run.Statistic("rstd in place", M, Groups),
        });
    }
}
