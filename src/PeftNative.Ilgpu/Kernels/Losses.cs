using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;
using PeftNative.Ops;

namespace PeftNative.Ilgpu.Kernels;

internal struct CrossEntropyArguments
{
    public Matrix Logits, Loss;
    public ArrayView<int> Labels, Correct;
    public int Gradient;
    public float GradientScale, SoftCap;
}

internal struct RegressionLossArguments
{
    public Matrix Logits, Targets, Loss;
    public int Kind, Gradient;
    public float GradientScale;
}

internal static class LossKernels
{
    /// <summary>A group of threads per row.</summary>
    public static void CrossEntropy(CrossEntropyArguments a)
    {
        var row = Grid.IdxX;
        var label = a.Labels[row];
        var (largest, first) = (float.NegativeInfinity, int.MaxValue);
        for (var v = Group.IdxX; v < a.Logits.Columns; v += Group.DimX)
        {
            var z = a.Logits[row, v];
            if (!(z > largest)) continue;
            (largest, first) = (z, v);
        }
        var max = GroupReduce.Max(largest);
        first = GroupReduce.Min(largest == max ? first : int.MaxValue);
        max = Mathematics.Cap(max, a.SoftCap);
        var sum = 0f;
        for (var v = Group.IdxX; v < a.Logits.Columns; v += Group.DimX)
            sum += Mathematics.Exp(Mathematics.Cap(a.Logits[row, v], a.SoftCap) - max);
        sum = GroupReduce.Sum(sum);
        if (Group.IdxX == 0)
        {
            if (a.Correct.Length > 0) a.Correct[row] = first == label ? 1 : 0;
            a.Loss.Set(0, row, max - Mathematics.Cap(a.Logits[row, label], a.SoftCap) + Mathematics.Log(sum));
        }
        Group.Barrier(); // the loss reads a score that the gradient overwrites
        if (a.Gradient == 0) return;
        for (var v = Group.IdxX; v < a.Logits.Columns; v += Group.DimX)
        {
            var z = Mathematics.Cap(a.Logits[row, v], a.SoftCap);
            var slope = Mathematics.Exp(z - max) / sum - (v == label ? 1f : 0f); // not 1 : 0, see ilgpu.md
            a.Logits.Set(row, v, a.GradientScale * slope * Mathematics.CapSlope(z, a.SoftCap));
        }
    }

    /// <summary>A thread per row: there are few columns.</summary>
    public static void Regression(Index1D row, RegressionLossArguments a)
    {
        var loss = 0f;
        for (var n = 0; n < a.Logits.Columns; n++)
        {
            float z = a.Logits[row, n], t = a.Targets[row, n];
            var squared = a.Kind == (int)RegressionLoss.MeanSquaredError;
            loss += squared ? (z - t) * (z - t)
                : (z > 0 ? z : 0) - z * t + Mathematics.Log1P(Mathematics.Exp(z > 0 ? -z : z));
            if (a.Gradient != 0)
                a.Logits.Set(row, n, a.GradientScale * (squared ? 2 * (z - t) : Mathematics.Sigmoid(z) - t));
        }
        a.Loss.Set(0, row, loss);
    }
}
