using ILGPU;
using ILGPU.Algorithms;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct DoraArguments
{
    public Matrix W, A, B, Magnitude, Norm, G, DG, DMagnitude;
    public float Scale;
}

internal static class DoraKernels
{
    /// <summary>The norm of a row of W + scale · B A; a group of threads per row.</summary>
    public static void Forward(DoraArguments a)
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
    public static void Backward(Index1D n, DoraArguments a) => a.DMagnitude.Add(0, n, a.DG[0, n] / a.Norm[0, n]);
}
