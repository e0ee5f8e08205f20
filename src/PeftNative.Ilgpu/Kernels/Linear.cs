using ILGPU;
using ILGPU.Algorithms;

namespace PeftNative.Ilgpu.Kernels;

/// <summary>Target[n] += Scale[n] · Σ_m X[m, n] Factor[m, n].</summary>
internal struct ColumnSumsArguments
{
    public Matrix X, Factor, Scale, Target;
}

internal struct DoraArguments
{
    public Matrix W, A, B, Magnitude, Norm, G, DG, DMagnitude;
    public float Scale;
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

    /// <summary>The norm of a row of W + scale · B A; a group of threads per row.</summary>
    public static void DoraForward(DoraArguments a)
    {
        var n = Grid.IdxX;
        var squares = 0f;
        for (var k = Group.IdxX; k < a.W.Columns; k += Group.DimX)
        {
            var low = 0f;
            for (var r = 0; r < a.A.Rows; r++) low += a.B[n, r] * a.A[r, k];
            var w = a.W[n, k] + a.Scale * low;
            squares += w * w;
        }
        var norm = XMath.Sqrt(GroupReduce.Sum(squares));
        if (Group.IdxX != 0) return;
        a.Norm.Set(0, n, norm);
        if (a.G.IsPresent) a.G.Set(0, n, a.Magnitude[0, n] / norm);
    }

    // +=
    public static void DoraBackward(Index1D n, DoraArguments a) => a.DMagnitude.Add(0, n, a.DG[0, n] / a.Norm[0, n]);
}
