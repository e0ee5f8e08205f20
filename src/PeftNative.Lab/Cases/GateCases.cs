using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>Activations, gated and not.</summary>
internal sealed record GateCase(Activation Activation, int M, int F) : OperationCase
{
    public bool Gated { get; init; }

    /// <summary>Whether Y and the gradient of X take the place of their inputs.</summary>
    public bool InPlaceOfX { get; init; }

    /// <summary>Whether Y and the gradient of Up take the place of their inputs.</summary>
    public bool InPlaceOfUp { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        foreach (var activation in Enum.GetValues<Activation>())
            for (var i = 0; i < 60; i++)
            {
                var gated = random.Chance(0.5);
                var where = random.Integer(3);
                yield return new GateCase(activation, Sizes.Rows(random), Sizes.Width(random))
                {
                    Family = Sizes.Family(random),
                    Strided = random.Chance(0.4),
                    Gated = gated,
                    InPlaceOfX = where == 1,
                    InPlaceOfUp = gated && where == 2,
                };
            }
    }

    internal override void Execute(CaseRun run)
    {
        var x = run.Input("x", M, F);
        var up = Gated ? run.Input("up", M, F) : default;
        var op = new GateOp { X = x, Up = up, Activation = Activation, Y = run.Output("y", M, F, Rule) };
        Forward(run, op);
        if (InPlaceOfX)
        {
            var (source, y) = run.Pair(true, "x in place", "y in place", M, F, Rule);
            Forward(run, op with { X = source, Y = y });
        }
        if (InPlaceOfUp)
        {
            var (source, y) = run.Pair(true, "up in place", "y in place", M, F, Rule);
            Forward(run, op with { Up = source, Y = y });
        }
        Backward(run, op);
    }

    private void Forward(CaseRun run, in GateOp op)
    {
        var (x, up) = (run.Values(op.X), Gated ? run.Values(op.Up) : null);
        run.AllowNoise(op.Y, i => FunctionNoise(x[i]) * (up is null ? 1 : up[i]));
        run.Backend.Forward(op);
    }

    private void Backward(CaseRun run, in GateOp op)
    {
        Tensor dy, dx, dUp = default;
        if (InPlaceOfUp)
        {
            (dy, dUp) = run.Pair(true, "dy", "dup", M, F, Rule);
            dx = run.Output("dx", M, F, Rule);
        }
        else
        {
            (dy, dx) = run.Pair(InPlaceOfX, "dy", "dx", M, F, Rule);
            if (Gated) dUp = run.Output("dup", M, F, Rule);
        }
        var (g, x, up) = (run.Values(dy), run.Values(op.X), Gated ? run.Values(op.Up) : null);
        run.AllowNoise(dx, i => g[i] * SlopeNoise * (up is null ? 1 : up[i]));
        if (Gated) run.AllowNoise(dUp, i => g[i] * FunctionNoise(x[i]));
        run.Backend.Backward(op, new GateGradients { DY = dy, DX = dx, DUp = dUp });
    }

    // The tails of activations may be computed as 1 - (nearly 1): an absolute error, relative to the factors.
    private double FunctionNoise(double x) => Activation switch
    {
        Activation.Identity or Activation.Relu => 0,
        Activation.Tanh or Activation.Sigmoid => Math.Min(1, Math.Abs(x)),
        _ => x,
    };

    private double SlopeNoise => Activation switch
    {
        Activation.Identity or Activation.Relu => 0,
        Activation.GeluTanh => 4,
        _ => 1,
    };

    private Match Rule => Activation is Activation.Identity or Activation.Relu ? Match.ExactIntegers : Match.Close;
}
