using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <summary>
    /// Columns of a row that one block of an elementwise kernel takes: <c>piece_columns</c> in
    /// kernels/include/tensor.cuh.
    /// </summary>
    private const int PieceColumns = 1024;

    private const int WarpSize = 32, LargestElementBlock = 256, MostPartialSums = 1024;

    /// <inheritdoc/>
    public unsafe double SumOfSquares(in Tensor x)
    {
        if (x.Count == 0) return 0;
        var shape = Pieces(x);
        var count = Math.Min(shape.Grid.X, MostPartialSums);
        workspace.Begin(2 * Workspace.Size(DType.Float64, 1, count));
        var (partials, sum) = (workspace.Take(DType.Float64, 1, count), workspace.Take(DType.Float64, 1, 1));
        var squares = new KernelArguments();
        squares.Add(x).Add(partials.Pointer).Add(shape.Grid.X);
        Launch(kernels.Get("elementwise", "sum_of_squares", x.Type), shape with { Grid = count }, squares);
        var total = new KernelArguments();
        total.Add(partials.Pointer).Add(count).Add(sum.Pointer);
        Launch(kernels.Get("elementwise", "sum_partials", DType.Float32), new(1, LargestElementBlock), total);
        double result;
        Download(sum, new Span<byte>(&result, sizeof(double)));
        return result;
    }

    /// <inheritdoc/>
    public void AddScaled(in Tensor x, double scale, in Tensor y)
    {
        var arguments = new KernelArguments();
        arguments.Add(x).Add((float)scale).Add(y);
        Launch(kernels.Get("elementwise", "add_scaled", x.Type, y.Type), Pieces(x), arguments);
    }

    /// <inheritdoc/>
    public void Fill(in Tensor x, double value)
    {
        var arguments = new KernelArguments();
        arguments.Add(x).Add((float)value);
        Launch(kernels.Get("elementwise", "fill", x.Type), Pieces(x), arguments);
    }

    /// <inheritdoc/>
    public void Copy(in Tensor x, in Tensor y)
    {
        if (y.Type == DType.Int32) integers.Forget(y);
        var arguments = new KernelArguments();
        arguments.Add(x).Add(y);
        Launch(kernels.Get("elementwise", "copy", x.Type, y.Type), Pieces(x), arguments);
    }

    /// <summary>The launch of an elementwise kernel over a matrix: a block for every piece of a row.</summary>
    private static LaunchShape Pieces(in Tensor x) => Pieces(x.Rows, x.Columns);

    private static LaunchShape Pieces(int rows, int columns) => new(
        checked(rows * Cover(columns, PieceColumns)), ThreadsFor(columns));

    /// <summary>Threads of a block that loops over so many elements: full warps.</summary>
    private static int ThreadsFor(int elements) =>
        Math.Clamp(Cover(elements, WarpSize) * WarpSize, WarpSize, LargestElementBlock);
}
