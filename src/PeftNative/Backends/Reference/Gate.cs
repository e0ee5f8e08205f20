using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    private const double GeluCubic = 0.044715;

    /// <inheritdoc/>
    public void Forward(in GateOp op)
    {
        var activation = op.Activation;
        var y = Matrix.Load(op.X).Map((x, _, _) => Activate(activation, x));
        if (op.Up.IsPresent) y = y.Hadamard(Matrix.Load(op.Up));
        y.Store(op.Y);
    }

    /// <inheritdoc/>
    public void Backward(in GateOp op, in GateGradients gradients)
    {
        var activation = op.Activation;
        var x = Matrix.Load(op.X);
        var dy = Matrix.Load(gradients.DY);
        var slope = dy.Map((g, i, j) => g * ActivationSlope(activation, x[i, j]));
        if (op.Up.IsPresent)
        {
            slope = slope.Hadamard(Matrix.Load(op.Up));
            dy.Map((g, i, j) => g * Activate(activation, x[i, j])).Store(gradients.DUp);    // =
        }
        slope.Store(gradients.DX);                                                          // =
    }

    private static double Activate(Activation activation, double x) => activation switch
    {
        Activation.Identity => x,
        Activation.Relu => Math.Max(x, 0),
        Activation.Gelu => x * ErrorFunction.NormalCdf(x),
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(GeluArgument(x))),
        Activation.Silu => x * Sigmoid(x),
        Activation.Tanh => Math.Tanh(x),
        Activation.Sigmoid => Sigmoid(x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation"),
    };

    private static double ActivationSlope(Activation activation, double x) => activation switch
    {
        Activation.Identity => 1,
        Activation.Relu => x > 0 ? 1 : 0,
        Activation.Gelu => ErrorFunction.NormalCdf(x) + x * ErrorFunction.NormalDensity(x),
        Activation.GeluTanh => GeluTanhSlope(x),
        Activation.Silu => Sigmoid(x) * (1 + x * Sigmoid(-x)),
        Activation.Tanh => 1 - Math.Tanh(x) * Math.Tanh(x),
        Activation.Sigmoid => Sigmoid(x) * Sigmoid(-x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation"),
    };

    private static double GeluArgument(double x) => Math.Sqrt(2 / Math.PI) * (x + GeluCubic * x * x * x);

    private static double GeluTanhSlope(double x)
    {
        var t = Math.Tanh(GeluArgument(x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Math.Sqrt(2 / Math.PI) * (1 + 3 * GeluCubic * x * x);
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
