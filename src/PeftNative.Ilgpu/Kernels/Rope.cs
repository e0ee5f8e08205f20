using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct RopeArguments
{
    public Matrix X, Cos, Sin;
    public ArrayView<int> Positions;
    public int Heads, HeadStride, Direction;
}

internal static class RopeKernels
{
    /// <summary>Turns one pair of one head by its angle, or back.</summary>
    public static void Rotate(Index1D index, RopeArguments a)
    {
        var half = a.Cos.Columns;
        var i = index % half;
        var head = index / half % a.Heads;
        var row = index / half / a.Heads;
        var position = a.Positions[row];
        float cos = a.Cos[position, i], sin = a.Direction * a.Sin[position, i];
        var (first, second) = (head * a.HeadStride + i, head * a.HeadStride + half + i);
        float x = a.X[row, first], y = a.X[row, second];
        a.X.Set(row, first, x * cos - y * sin);
        a.X.Set(row, second, y * cos + x * sin);
    }
}
