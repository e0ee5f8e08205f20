using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

/// <summary>
/// A matrix product with everything a linear layer adds to it. With A [M, K] and B [K, N]:
/// <code>
/// U[m, n] = Factor · RowScale[m] · ColumnScale[n] · Σ_k A[m, k] InnerScale[k] B[k, n]
///           + LowFactor · Σ_r Low[m - LowStart, r] LowB[r, n] (rows of Low only) + Extra[m, n]
/// C[m, n] (= or +=) OutputScale[n] · (U + Bias[n]) + Residual[m, n], or OutputScale[n] · U + Bias[n] + Residual[m, n]
/// </code>
/// Absent operands drop out; PreScale keeps what OutputScale multiplies.
/// </summary>
internal struct ProductArguments(Matrix a, Matrix b, Matrix c, bool accumulate, Matrix absent)
{
    public Matrix A = a, B = b, C = c, InnerScale = absent, RowScale = absent, ColumnScale = absent, Low = absent,
        LowB = absent;
    public Matrix Extra = absent, Bias = absent, OutputScale = absent, PreScale = absent, Residual = absent;
    public float Factor = 1, LowFactor;
    public int LowStart, ScaleBeforeBias, Accumulate = accumulate ? 1 : 0;
}

internal static class ProductKernels
{
    public const int LargestTile = 16;

    /// <summary>
    /// A thread per element, without shared memory; for the emulated accelerator, where barriers cost most.
    /// </summary>
    public static void PerElement(Index1D index, ProductArguments p)
    {
        var (m, n) = (index / p.C.Columns, index % p.C.Columns);
        var sum = 0f;
        if (p.InnerScale.IsPresent)
            for (var k = 0; k < p.A.Columns; k++) sum += p.A[m, k] * p.InnerScale[0, k] * p.B[k, n];
        else
            for (var k = 0; k < p.A.Columns; k++) sum += p.A[m, k] * p.B[k, n];
        Finish(p, m, n, sum);
    }

    /// <summary>
    /// A square group of threads per square tile of C, which reads tiles of A and B into shared memory. The threads of
    /// a tile are counted along its rows; blocks of the grid likewise.
    /// </summary>
    public static void Tiled(ProductArguments p, int tile)
    {
        var tileA = SharedMemory.Allocate<float>(LargestTile * LargestTile);
        var tileB = SharedMemory.Allocate<float>(LargestTile * LargestTile);
        var (y, x) = (Group.IdxX / tile, Group.IdxX % tile);
        var blocks = (p.C.Columns + tile - 1) / tile;
        var m = Grid.IdxX / blocks * tile + y;
        var n = Grid.IdxX % blocks * tile + x;
        var sum = 0f;
        for (var first = 0; first < p.A.Columns; first += tile)
        {
            var a = m < p.C.Rows && first + x < p.A.Columns ? p.A[m, first + x] * p.InnerScale.Or(first + x, 1) : 0;
            var b = n < p.C.Columns && first + y < p.A.Columns ? p.B[first + y, n] : 0;
            tileA[y * tile + x] = a;
            tileB[y * tile + x] = b;
            Group.Barrier();
            for (var k = 0; k < tile; k++) sum += tileA[y * tile + k] * tileB[k * tile + x];
            Group.Barrier();
        }
        if (m < p.C.Rows && n < p.C.Columns) Finish(p, m, n, sum);
    }

    private static void Finish(ProductArguments p, int m, int n, float sum)
    {
        var u = p.Factor * sum * p.RowScale.Or(m, 1) * p.ColumnScale.Or(n, 1);
        var i = m - p.LowStart;
        if (p.Low.IsPresent && i >= 0 && i < p.Low.Rows)
        {
            var low = 0f;
            for (var r = 0; r < p.Low.Columns; r++) low += p.Low[i, r] * p.LowB[r, n];
            u += p.LowFactor * low;
        }
        if (p.Extra.IsPresent) u += p.Extra[m, n];
        var bias = p.Bias.Or(n, 0);
        var scaled = p.ScaleBeforeBias != 0 ? u : u + bias;
        if (p.PreScale.IsPresent) p.PreScale.Set(m, n, scaled);
        var y = scaled * p.OutputScale.Or(n, 1);
        if (p.ScaleBeforeBias != 0) y += bias;
        if (p.Residual.IsPresent) y += p.Residual[m, n];
        if (p.Accumulate != 0) p.C.Add(m, n, y);
        else p.C.Set(m, n, y);
    }
}
