using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Products;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <summary>
    /// Rows and columns of a tile and threads of its block: <c>tile_size</c> and <c>tile_threads</c> in
    /// kernels/include/tile.cuh.
    /// </summary>
    private const int TileSize = 32, TileThreads = 64;

    /// <summary>Threads along the rows in a column sum: <c>sum_lanes</c> in kernels/linear.cu.</summary>
    private const int SumLanes = 8;

    /// <summary>Products of large matrices.</summary>
    internal MatrixProducts Products => products;

    /// <inheritdoc/>
    public void Forward(in LinearOp op)
    {
        var (rows, outputs) = (op.Y.Rows, op.Y.Columns);
        if (rows == 0) return;
        var groups = GroupsOf(op, []);
        var isLarge = products.IsWorthwhile(op.X.Type, op.W.Type, rows, outputs, op.X.Columns);
        workspace.Begin(2 * Workspace.Size(op.Y.Type, rows, outputs) + Workspace.Size(op.X.Type, rows, op.X.Columns) +
            Workspace.Size(op.Y.Type, 1, outputs) + TallBytes(op));
        LowRankDown(op);

        var seed = default(Tensor);
        if (isLarge)
        {
            var x = ScaledColumns(op.X, op.InputScale);
            if (AreTall(op, undropped: false) && TryOneProduct(op, x))
            {
                for (var p = 0; p < op.LowRankCount; p++)
                    if (op.LowRank![p].RowCount > 0) TallUp(op, op.LowRank[p]);
                return;
            }
            seed = Overlap(op.Y, op.Residual) ? workspace.Take(op.Y.Type, rows, outputs) : op.Y;
            products.Multiply(x, false, op.W, true, seed);
        }
        var between = groups.Length > 1 ? workspace.Take(op.Y.Type, rows, outputs) : default;
        for (var g = 0; g < groups.Length; g++)
        {
            var isLast = g == groups.Length - 1;
            var arguments = new KernelArguments();
            arguments.Add(op.X).Add(op.W).Add(op.InputScale).Add(seed);
            arguments.Add(isLast ? new Epilogue(op) : default).Add(isLast ? op.Y : between).Add(groups[g]);
            Launch(kernels.Get("linear", "linear_forward", op.X.Type, op.W.Type), Tiles(rows, outputs), arguments);
            seed = between;
        }
    }

    /// <inheritdoc/>
    public void Backward(in LinearOp op, in LinearGradients gradients)
    {
        if (gradients.DY.Rows == 0) return;
        var (rows, inputs, outputs) = (op.X.Rows, op.X.Columns, gradients.DY.Columns);
        var needsProduct = gradients.DInputScale.IsPresent;
        workspace.Begin(DownGradientBytes(op) + Workspace.Size(DType.Float32, rows, inputs)
            + Workspace.Size(op.X.Type, rows, inputs) +
            Workspace.Size(op.X.Type, rows, outputs) + TallBytes(op));
        var ds = TakeDownGradients(op);
        LowRankBackward(op, gradients.DY, ds);

        var product = needsProduct ? workspace.Take(DType.Float32, rows, inputs) : default;
        if (gradients.DX.IsPresent || needsProduct) InputGradient(op, gradients, product, ds);
        if (needsProduct) ColumnSums(op.X, default, product, gradients.DInputScale);
        if (gradients.DW.IsPresent) WeightGradient(op, gradients);
        if (gradients.DBias.IsPresent)
            ColumnSums(gradients.DY, op.ScaleBeforeBias ? default : op.OutputScale, default, gradients.DBias);
        if (gradients.DOutputScale.IsPresent) ColumnSums(gradients.DY, default, op.PreScale, gradients.DOutputScale);
    }

    private void InputGradient(in LinearOp op, in LinearGradients gradients, in Tensor product, Tensor[] ds)
    {
        var (dy, dx) = (gradients.DY, gradients.DX);
        var (accumulate, seed) = (gradients.AccumulateDX, default(Tensor));
        if (products.IsWorthwhile(dy.Type, op.W.Type, dy.Rows, op.W.Columns, dy.Columns))
        {
            var du = ScaledColumns(dy, op.OutputScale);
            var isDirect = !op.InputScale.IsPresent && !product.IsPresent;
            seed = isDirect ? default : workspace.Take(dy.Type, dy.Rows, op.W.Columns);
            products.Multiply(du, false, op.W, false, isDirect ? dx : seed, isDirect && accumulate ? 1 : 0);
            if (isDirect && AreTall(op, undropped: true))
            {
                for (var p = 0; p < op.LowRankCount; p++)
                    if (op.LowRank![p].RowCount > 0) TallInputGradient(op, op.LowRank[p], ds[p], dx);
                return;
            }
            if (isDirect) (accumulate, dy) = (true, dy with { Columns = 0 });
        }
        var groups = GroupsOf(op, ds);
        var kernel = kernels.Get("linear", "linear_input_gradient", op.X.Type, op.W.Type);
        for (var g = 0; g < groups.Length; g++)
        {
            var arguments = new KernelArguments();
            arguments.Add(dy).Add(op.W).Add(op.OutputScale).Add(op.InputScale).Add(g == 0 ? seed : default);
            arguments.Add(g == 0 ? product : default).Add(dx).Add(accumulate ? 1 : 0).Add(groups[g]);
            Launch(kernel, Tiles(op.X.Rows, op.X.Columns), arguments);
            // Later groups add to what the first one wrote: the product with a gradient of no columns is zero.
            (accumulate, dy) = (true, dy with { Columns = 0 });
        }
    }

    /// <summary>
    /// Makes what a layer is beside its low-rank pairs as one product, if it is one: Y = x Wᵀ with x = X ⊙ InputScale,
    /// perhaps added to what is there; where the library can, also with a bias and a residual elsewhere. The bias is
    /// rounded to the type of the activations.
    /// </summary>
    private bool TryOneProduct(in LinearOp op, in Tensor x)
    {
        var isElsewhere = op.Residual.IsPresent && op.Residual != op.Y;
        if (op.OutputScale.IsPresent || op.PreScale.IsPresent || (isElsewhere && Overlap(op.Y, op.Residual)))
            return false;
        if ((isElsewhere || op.Bias.IsPresent) && !products.HasEpilogue) return false;
        return products.TryMultiply(new MatrixProduct(x, false, op.W, true, op.Y)
        {
            Beta = op.Residual.IsPresent ? 1 : 0, Added = op.Residual,
            Bias = op.Bias.IsPresent ? Narrow(op, op.Bias) : default,
        });
    }

    /// <summary>Whether writing one may change the other.</summary>
    private static bool Overlap(in Tensor a, in Tensor b) => b.IsPresent && a.Pointer == b.Pointer;

    /// <summary>X ⊙ factor in the workspace, or X itself without a factor.</summary>
    private Tensor ScaledColumns(in Tensor x, in Tensor factor)
    {
        if (!factor.IsPresent) return x;
        var scaled = workspace.Take(x.Type, x.Rows, x.Columns);
        var arguments = new KernelArguments();
        arguments.Add(x).Add(factor).Add(scaled);
        Launch(kernels.Get("linear", "linear_scale_columns", x.Type), Pieces(x), arguments);
        return scaled;
    }

    private void WeightGradient(in LinearOp op, in LinearGradients gradients)
    {
        var (dy, dw) = (gradients.DY, gradients.DW);
        if (!op.InputScale.IsPresent && !op.OutputScale.IsPresent
            && products.IsWorthwhile(dy.Type, op.X.Type, dw.Rows, dw.Columns, dy.Rows))
        {
            products.Multiply(dy, true, op.X, false, dw, 1);
            return;
        }
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(gradients.DY).Add(op.InputScale).Add(op.OutputScale).Add(gradients.DW);
        Launch(kernels.Get("linear", "linear_weight_gradient", op.X.Type),
            Tiles(gradients.DW.Rows, gradients.DW.Columns), arguments);
    }

    /// <summary>sum += factor ⊙ the sums of the columns of x ⊙ other.</summary>
    private void ColumnSums(in Tensor x, in Tensor factor, in Tensor other, in Tensor sum)
    {
        var arguments = new KernelArguments();
        arguments.Add(x).Add(factor).Add(other).Add(sum);
        Launch(kernels.Get("linear", "linear_column_sums", x.Type, other.IsPresent ? other.Type : DType.Float32),
            new(Cover(x.Columns, WarpSize), new(WarpSize, SumLanes)), arguments);
    }

    /// <summary>The launch of a kernel that makes a matrix in tiles.</summary>
    private static LaunchShape Tiles(int rows, int columns) =>
        new(new(Cover(columns, TileSize), Cover(rows, TileSize)), TileThreads);

    /// <summary>The layout of <c>Epilogue</c> in kernels/linear.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Epilogue(in LinearOp op)
    {
        public readonly Tensor Bias = op.Bias, OutputScale = op.OutputScale, PreScale = op.PreScale,
            Residual = op.Residual;
        public readonly int ScaleBeforeBias = op.ScaleBeforeBias ? 1 : 0;
    }
}
