using ILGPU;
using ILGPU.Runtime;
using PeftNative.Ilgpu.Kernels;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    private const int SumThreads = 1024;

    private MemoryBuffer1D<double, Stride1D.Dense>? sums;

    /// <inheritdoc/>
    public double SumOfSquares(in Tensor x)
    {
        if (x.Count == 0) return 0;
        sums ??= accelerator.Allocate1D<double>(SumThreads);
        Each(ElementwiseKernels.SumOfSquares, SumThreads, new SumOfSquaresArguments { X = View(x), Sums = sums.View });
        var sum = 0.0;
        foreach (var partial in sums.GetAsArray1D()) sum += partial;
        return sum;
    }

    /// <inheritdoc/>
    public void AddScaled(in Tensor x, double scale, in Tensor y) => Each(ElementwiseKernels.AddScaled, y.Count,
        new ElementwiseArguments { X = View(x), Y = View(y), Value = (float)scale });

    /// <inheritdoc/>
    public void Fill(in Tensor x, double value) => Each(ElementwiseKernels.Fill, x.Count,
        new ElementwiseArguments { X = View(x), Y = View(x), Value = (float)value });

    /// <inheritdoc/>
    public void Copy(in Tensor x, in Tensor y)
    {
        if (x.Type != y.Type) throw new ArgumentException($"cannot copy {x} to {y}");
        Each(ElementwiseKernels.Copy, y.Count, new CopyArguments
        {
            X = Words(x),
            Y = Words(y),
            Columns = y.Columns,
            StrideX = x.Stride,
            StrideY = y.Stride,
        });
    }
}
