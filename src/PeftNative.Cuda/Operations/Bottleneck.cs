using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <summary>
    /// Rows and columns of a wide tile and threads of its block: <c>wide_tile</c> and <c>wide_threads</c> in
    /// kernels/include/wide_tile.cuh.
    /// </summary>
    private const int WideTile = 64, WideThreads = 256;

    /// <summary>Rows are summed in so many slices at most, of so many rows at least, each by itself.</summary>
    private const int MostSlices = 16, FewestSliceRows = 4 * WideTile;

    /// <inheritdoc/>
    public void Forward(in BottleneckOp op)
    {
        if (!IsNarrow(op))
        {
            op.ForwardInParts(this);
            return;
        }
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(op.DownWeight).Add(op.DownBias).Add((int)op.Activation).Add(op.Down);
        arguments.Add(op.UpWeight).Add(op.UpBias).Add(op.OutputScale).Add(op.Residual).Add(op.Y);
        Launch(kernels.Get("bottleneck", "bottleneck_forward", op.X.Type), WideRows(op), arguments);
    }

    /// <inheritdoc/>
    public void Backward(in BottleneckOp op, in BottleneckGradients gradients)
    {
        if (!IsNarrow(op))
        {
            op.BackwardInParts(this, gradients);
            return;
        }
        var (rows, width, largest) = (op.Down.Rows, op.Down.Columns, Math.Max(op.X.Columns, op.Y.Columns));
        if (rows == 0) return;
        var slices = Cover(rows, SliceRows(rows));
        workspace.Begin(Workspace.Size(op.X.Type, rows, width)
            + Workspace.Size(DType.Float32, (long)slices * width, largest) +
            Workspace.Size(DType.Float32, slices, Math.Max(width, largest)));
        var dDown = workspace.Take(op.X.Type, rows, width);
        var partials = workspace.Take(DType.Float32, slices * width, largest);
        var sums = workspace.Take(DType.Float32, slices, Math.Max(width, largest));

        var arguments = new KernelArguments();
        arguments.Add(gradients.DY).Add(op.UpWeight).Add(op.OutputScale).Add((int)op.Activation);
        arguments.Add(op.Down).Add(dDown).Add(op.DownWeight).Add(gradients.DX);
        Launch(kernels.Get("bottleneck", "bottleneck_backward", op.X.Type), WideRows(op), arguments);
        WeightGradients(new(gradients.DY, op.Down, op.Activation, op.UpWeight, op.UpBias, op.OutputScale),
            partials, sums,
            gradients.DUpWeight, gradients.DUpBias, gradients.DOutputScale);
        WeightGradients(new(dDown, op.X, Activation.Identity, op.DownWeight, op.DownBias, default), partials, sums,
            gradients.DDownWeight, gradients.DDownBias, default);
    }

    /// <summary>Whether the middle fits into a tile and the types are those that the kernels are made for.</summary>
    private static bool IsNarrow(in BottleneckOp op) =>
        op.DownWeight.Rows <= WideTile && op.DownWeight.Type == DType.Float32 && op.UpWeight.Type == DType.Float32;

    /// <summary>
    /// The gradients of one of the two layers, from those of its output and from its input before the activation.
    /// </summary>
    private void WeightGradients(in BottleneckLayer layer, Tensor partials, Tensor sums, in Tensor dWeight,
        in Tensor dBias, in Tensor dFactor)
    {
        if (!dWeight.IsPresent && !dBias.IsPresent && !dFactor.IsPresent) return;
        var (left, right) = (layer.DOutput, layer.Input);
        var sliceRows = SliceRows(left.Rows);
        var slices = Cover(left.Rows, sliceRows);
        partials = new(partials.Pointer, DType.Float32, slices * left.Columns, right.Columns, right.Columns);
        sums = new(sums.Pointer, DType.Float32, slices, left.Columns, left.Columns);
        var products = new KernelArguments();
        products.Add(left).Add(right).Add((int)layer.Activation).Add(sliceRows).Add(partials).Add(sums);
        Launch(kernels.Get("bottleneck", "bottleneck_weight_products", left.Type),
            new(new(Cover(right.Columns, WideTile), Cover(left.Columns, WideTile), slices), WideThreads,
                WideBytes(left.Type)), products);
        var gradients = new KernelArguments();
        gradients.Add(partials).Add(sums).Add(layer.Weight).Add(layer.Bias).Add(layer.Factor).Add(dWeight).Add(dBias)
            .Add(dFactor);
        Launch(kernels.Get("bottleneck", "bottleneck_weight_gradients", DType.Float32),
            new(left.Columns, ThreadsFor(right.Columns)), gradients);
    }

    /// <summary>
    /// Rows of a slice, whole tiles: a function of the shapes alone, so that sums always have the same order.
    /// </summary>
    private static int SliceRows(int rows) =>
        Math.Max(FewestSliceRows, Cover(Cover(rows, MostSlices), WideTile) * WideTile);

    /// <summary>The launch of a kernel whose blocks take the rows of a tile each.</summary>
    private static LaunchShape WideRows(in BottleneckOp op) =>
        new(Cover(op.Down.Rows, WideTile), WideThreads, WideBytes(op.X.Type));

    /// <summary>
    /// Shared memory: a tile of <c>wide_elements</c>, and <c>weight_parts</c> more. A row is 16 bytes longer than its
    /// elements.
    /// </summary>
    private static int WideBytes(DType type) =>
        (type == DType.Float32 ? 2 : 3) * WideTile * (WideTile * type.Size() + 16);

    /// <summary>A linear layer, what went into it and the gradient of what came out.</summary>
    private readonly record struct BottleneckLayer(Tensor DOutput, Tensor Input, Activation Activation, Tensor Weight,
        Tensor Bias, Tensor Factor);
}
