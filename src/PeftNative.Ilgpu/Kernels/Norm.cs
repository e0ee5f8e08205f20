using ILGPU;
using ILGPU.Algorithms;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct NormArguments
{
    public Matrix X, Gamma, Beta, Mean, Rstd, Y;
    public float Epsilon, GammaOffset;
    public int Groups, IsLayerNorm;
}

internal struct NormBackwardArguments
{
    public NormArguments Norm;
    public Matrix DY, DX, DGamma, DBeta;
    public int Accumulate;
}

/// <summary>
/// Forward and the gradient of X: a group of threads per part of a row. Gradients of gain and shift: a thread per
/// column.
/// </summary>
internal static class NormKernels
{
    public static void Forward(NormArguments a)
    {
        var (row, part) = (Grid.IdxX / a.Groups, Grid.IdxX % a.Groups);
        var width = a.X.Columns / a.Groups;
        var first = part * width;
        var sum = 0f;
        if (a.IsLayerNorm != 0)
            for (var d = Group.IdxX; d < width; d += Group.DimX) sum += a.X[row, first + d];
        var mean = GroupReduce.Sum(sum) / width;
        var rest = 0f; // what rounding left in the mean; matters where all values are nearly the same
        if (a.IsLayerNorm != 0)
            for (var d = Group.IdxX; d < width; d += Group.DimX) rest += a.X[row, first + d] - mean;
        rest = GroupReduce.Sum(rest) / width;
        var squares = 0f;
        for (var d = Group.IdxX; d < width; d += Group.DimX)
        {
            var centred = a.X[row, first + d] - mean - rest;
            squares += centred * centred;
        }
        var rstd = 1 / XMath.Sqrt(GroupReduce.Sum(squares) / width + a.Epsilon);
        if (Group.IdxX == 0)
        {
            if (a.Mean.IsPresent) a.Mean.Set(row, part, mean + rest);
            if (a.Rstd.IsPresent) a.Rstd.Set(row, part, rstd);
        }
        for (var d = Group.IdxX; d < width; d += Group.DimX)
            a.Y.Set(row, first + d, (a.X[row, first + d] - mean - rest) * rstd * (a.GammaOffset + a.Gamma[0, d])
                + a.Beta.Or(d, 0));
    }

    /// <summary>
    /// With n = (x - mean) · rstd and h = dY ⊙ gain: dX = rstd · (h - n · mean(h ⊙ n) - mean(h)); no last term for
    /// RmsNorm.
    /// </summary>
    public static void Backward(NormBackwardArguments b)
    {
        var a = b.Norm;
        var (row, part) = (Grid.IdxX / a.Groups, Grid.IdxX % a.Groups);
        var width = a.X.Columns / a.Groups;
        var first = part * width;
        var mean = a.IsLayerNorm != 0 ? a.Mean[row, part] : 0;
        var rstd = a.Rstd[row, part];
        float sumH = 0, sumHN = 0;
        for (var d = Group.IdxX; d < width; d += Group.DimX)
        {
            var h = b.DY[row, first + d] * (a.GammaOffset + a.Gamma[0, d]);
            sumH += h;
            sumHN += h * (a.X[row, first + d] - mean) * rstd;
        }
        var meanHN = GroupReduce.Sum(sumHN) / width;
        var meanH = GroupReduce.Sum(a.IsLayerNorm != 0 ? sumH : 0) / width;
        for (var d = Group.IdxX; d < width; d += Group.DimX)
        {
            var h = b.DY[row, first + d] * (a.GammaOffset + a.Gamma[0, d]);
            var dx = rstd * (h - (a.X[row, first + d] - mean) * rstd * meanHN - meanH);
            if (b.Accumulate != 0) b.DX.Add(row, first + d, dx);     // +=
            else b.DX.Set(row, first + d, dx);                       // =
        }
    }

    public static void Parameters(Index1D d, NormBackwardArguments b)
    {
        var a = b.Norm;
        var width = a.X.Columns / a.Groups;
        float gamma = 0, beta = 0;
        for (var row = 0; row < a.X.Rows; row++)
            for (var part = 0; part < a.Groups; part++)
            {
                var dy = b.DY[row, part * width + d];
                var mean = a.IsLayerNorm != 0 ? a.Mean[row, part] : 0;
                gamma += dy * (a.X[row, part * width + d] - mean) * a.Rstd[row, part];
                beta += dy;
            }
        if (b.DGamma.IsPresent) b.DGamma.Add(0, d, gamma);           // +=
        if (b.DBeta.IsPresent) b.DBeta.Add(0, d, beta);              // +=
    }
}
