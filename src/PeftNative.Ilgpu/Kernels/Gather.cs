using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct GatherArguments
{
    public Matrix X, Y;
    public ArrayView<int> Rows;
}

internal static class GatherKernels
{
    /// <summary>Y[i] = X[Rows[i]]; a thread per element.</summary>
    public static void Forward(Index1D index, GatherArguments a)
    {
        var (row, column) = (index / a.Y.Columns, index % a.Y.Columns);
        a.Y.Set(row, column, a.X[a.Rows[row], column]);
    }

    /// <summary>Y[Rows[i]] += X[i] in the order of i; a thread per column, because rows may be named twice.</summary>
    public static void Scatter(Index1D column, GatherArguments a)
    {
        for (var i = 0; i < a.X.Rows; i++) a.Y.Add(a.Rows[i], column, a.X[i, column]);
    }
}
