using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;
using PeftNative.Ops;

namespace PeftNative.Ilgpu.Kernels;

internal struct GateArguments
{
    public Matrix X, Up, Y;
    public int Activation;
}

internal struct GateBackwardArguments
{
    public Matrix X, Up, DY, DX, DUp;
    public int Activation;
}

internal static class GateKernels
{
    private const float GeluCubic = 0.044715f, RootTwoOverPi = 0.797884561f;

    public static void Forward(Index1D index, GateArguments a)
    {
        var (row, column) = (index / a.X.Columns, index % a.X.Columns);
        var y = Activate(a.Activation, a.X[row, column]);
        if (a.Up.IsPresent) y *= a.Up[row, column];
        a.Y.Set(row, column, y);
    }

    public static void Backward(Index1D index, GateBackwardArguments a)
    {
        var (row, column) = (index / a.X.Columns, index % a.X.Columns);
        float x = a.X[row, column], dy = a.DY[row, column];
        var slope = dy * Slope(a.Activation, x);
        if (a.Up.IsPresent)
        {
            slope *= a.Up[row, column];
            a.DUp.Set(row, column, dy * Activate(a.Activation, x));   // =
        }
        a.DX.Set(row, column, slope);                                 // =
    }

    private static float Activate(int activation, float x) => activation switch
    {
        (int)Activation.Relu => x > 0 ? x : 0,
        (int)Activation.Gelu => x * Mathematics.NormalCdf(x),
        (int)Activation.GeluTanh => 0.5f * x * (1 + Mathematics.Tanh(GeluArgument(x))),
        (int)Activation.Silu => x * Mathematics.Sigmoid(x),
        (int)Activation.Tanh => Mathematics.Tanh(x),
        (int)Activation.Sigmoid => Mathematics.Sigmoid(x),
        _ => x,
    };

    private static float Slope(int activation, float x) => activation switch
    {
        (int)Activation.Relu => x > 0 ? 1f : 0f, // not 1 : 0, see ilgpu.md
        (int)Activation.Gelu => Mathematics.NormalCdf(x) + x * Mathematics.NormalDensity(x),
        (int)Activation.GeluTanh => GeluTanhSlope(x),
        (int)Activation.Silu => Mathematics.Sigmoid(x) * (1 + x * Mathematics.Sigmoid(-x)),
        (int)Activation.Tanh => 1 - Mathematics.Tanh(x) * Mathematics.Tanh(x),
        (int)Activation.Sigmoid => Mathematics.Sigmoid(x) * Mathematics.Sigmoid(-x),
        _ => 1,
    };

    private static float GeluArgument(float x) => RootTwoOverPi * (x + GeluCubic * x * x * x);

    private static float GeluTanhSlope(float x)
    {
        var t = Mathematics.Tanh(GeluArgument(x));
        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * RootTwoOverPi * (1 + 3 * GeluCubic * x * x);
    }
}
