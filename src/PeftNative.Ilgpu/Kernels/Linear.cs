using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

/// <summary>Target[n] += Scale[n] · Σ_m X[m, n] Factor[m, n].</summary>
internal struct ColumnSumsArguments
{
    public Matrix X, Factor, Scale, Target;
}

internal static class LinearKernels
{
    /// <summary>A thread per column, so that neighbours read neighbours; rows in order.</summary>
    public static void ColumnSums(Index1D n, ColumnSumsArguments a)
    {
        var sum = 0f;
        for (var m = 0; m < a.X.Rows; m++) sum += a.X[m, n] * (a.Factor.IsPresent ? a.Factor[m, n] : 1);
        a.Target.Add(0, n, sum * a.Scale.Or(n, 1));
    }
}
