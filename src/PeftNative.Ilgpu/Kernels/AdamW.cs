using ILGPU;
using ILGPU.Algorithms;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct AdamWArguments
{
    public Matrix Values, Gradients, FirstMoment, SecondMoment;
    public float Beta1, OneMinusBeta1, Beta2, OneMinusBeta2, Decay, Rate, RootCorrection2, Epsilon, GradientScale;
}

internal static class AdamWKernels
{
    public static void Run(Index1D i, AdamWArguments a)
    {
        var g = a.GradientScale * a.Gradients[0, i];
        var m = a.Beta1 * a.FirstMoment[0, i] + a.OneMinusBeta1 * g;
        var v = a.Beta2 * a.SecondMoment[0, i] + a.OneMinusBeta2 * g * g;
        a.Values.Set(0, i, a.Values[0, i] * a.Decay - a.Rate * m / (XMath.Sqrt(v) / a.RootCorrection2 + a.Epsilon));
        a.FirstMoment.Set(0, i, m);
        a.SecondMoment.Set(0, i, v);
    }
}
