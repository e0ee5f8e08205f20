using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct ElementwiseArguments
{
    public Matrix X, Y;
    public float Value;
}

/// <summary>A copy of four-byte elements of any type.</summary>
internal struct CopyArguments
{
    public ArrayView<int> X, Y;
    public int Columns, StrideX, StrideY;
}

internal struct SumOfSquaresArguments
{
    public Matrix X;
    public ArrayView<double> Sums;
}

internal static class ElementwiseKernels
{
    public static void AddScaled(Index1D index, ElementwiseArguments a)
    {
        var (row, column) = (index / a.Y.Columns, index % a.Y.Columns);
        a.Y.Add(row, column, a.Value * a.X[row, column]);
    }

    public static void Fill(Index1D index, ElementwiseArguments a) =>
        a.Y.Set(index / a.Y.Columns, index % a.Y.Columns, a.Value);

    public static void Copy(Index1D index, CopyArguments a)
    {
        int row = index / a.Columns, column = index % a.Columns;
        a.Y[(long)row * a.StrideY + column] = a.X[(long)row * a.StrideX + column];
    }

    /// <summary>Thread t adds the squares of elements t, t + threads, ... in double precision.</summary>
    public static void SumOfSquares(Index1D thread, SumOfSquaresArguments a)
    {
        var sum = 0.0;
        var count = (long)a.X.Rows * a.X.Columns;
        int first = thread;
        for (long i = first; i < count; i += a.Sums.Length)
        {
            double x = a.X[(int)(i / a.X.Columns), (int)(i % a.X.Columns)];
            sum += x * x;
        }
        a.Sums[thread] = sum;
    }
}
