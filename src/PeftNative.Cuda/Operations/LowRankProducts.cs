using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

// Low-rank pairs of many rows: their narrow products by cuBLAS, operands in the type of the activations, S and all
// gradients in fp32.
public sealed partial class CudaBackend
{
    /// <summary>
    /// From this many multiplications on a narrow product is left to cuBLAS; below, the kernels of kernels/low_rank.cu
    /// make those of all pairs in one launch.
    /// </summary>
    internal long SmallestTallProduct { get; set; } = 1 << 24;

    /// <summary>Whether a pair is worth products of its own.</summary>
    private bool IsTall(in LinearOp op, in LowRankPair pair) =>
        products.IsAvailable && !op.OutputScale.IsPresent && pair.RowCount > 0 &&
        (long)pair.RowCount * pair.A.Rows * Math.Min(op.X.Columns, pair.B.Rows) >= SmallestTallProduct;

    /// <summary>
    /// Whether all pairs that have rows are tall and, with <paramref name="undropped"/>, none has dropout.
    /// </summary>
    private bool AreTall(in LinearOp op, bool undropped)
    {
        for (var p = 0; p < op.LowRankCount; p++)
        {
            ref readonly var pair = ref op.LowRank![p];
            if (pair.RowCount > 0 && (!IsTall(op, pair) || (undropped && pair.Dropout.IsOn))) return false;
        }
        return true;
    }

    /// <summary>S = drop(X) Aᵀ.</summary>
    private void TallDown(in LinearOp op, in LowRankPair pair)
    {
        if (pair.Dropout.IsOn)
            Forward(new DropoutOp { X = op.X.RowRange(pair.RowStart, pair.RowCount), Mask = pair.Dropout,
                Y = pair.DroppedX });
        products.Multiply(InputOf(op, pair), false, Narrow(op, pair.A), true, pair.S);
    }

    /// <summary>Y += scale S Bᵀ in the rows of the pair.</summary>
    private void TallUp(in LinearOp op, in LowRankPair pair) => products.Multiply(
        Narrow(op, pair.S), false, Narrow(op, pair.B), true, op.Y.RowRange(pair.RowStart, pair.RowCount), 1,
        (float)pair.Scale);

    /// <summary>dS = scale dY B, then the gradients of A and B.</summary>
    private void TallBackward(in LinearOp op, in Tensor dy, in LowRankPair pair, in Tensor ds)
    {
        var (scale, own) = ((float)pair.Scale, dy.RowRange(pair.RowStart, pair.RowCount));
        products.Multiply(own, false, Narrow(op, pair.B), false, ds, 0, scale);
        if (pair.GradA.IsPresent) products.Multiply(Narrow(op, ds), true, InputOf(op, pair), false, pair.GradA, 1);
        if (pair.GradB.IsPresent) products.Multiply(own, true, Narrow(op, pair.S), false, pair.GradB, 1, scale);
    }

    /// <summary>dX += dS A in the rows of the pair.</summary>
    private void TallInputGradient(in LinearOp op, in LowRankPair pair, in Tensor ds, in Tensor dx) =>
        products.Multiply(
        Narrow(op, ds), false, Narrow(op, pair.A), false, dx.RowRange(pair.RowStart, pair.RowCount), 1);

    /// <summary>What A is multiplied with.</summary>
    private static Tensor InputOf(in LinearOp op, in LowRankPair pair) =>
        pair.Dropout.IsOn ? pair.DroppedX : op.X.RowRange(pair.RowStart, pair.RowCount);

    /// <summary>
    /// A parameter or statistic in the type of the activations, in the workspace where that is another.
    /// </summary>
    private Tensor Narrow(in LinearOp op, in Tensor x)
    {
        if (x.Type == op.X.Type) return x;
        var narrow = workspace.Take(op.X.Type, x.Rows, x.Columns);
        Copy(x, narrow);
        return narrow;
    }

    /// <summary>The workspace that tall pairs need: A, B, S and dS, in the backward twice.</summary>
    private long TallBytes(in LinearOp op)
    {
        var bytes = 0L;
        for (var p = 0; p < op.LowRankCount; p++)
        {
            ref readonly var pair = ref op.LowRank![p];
            if (op.X.Type == DType.Float32 || !IsTall(op, pair)) continue;
            var rank = pair.A.Rows;
            foreach (var (rows, columns) in ((int, int)[])[(rank, op.X.Columns), (pair.B.Rows, rank),
                (pair.RowCount, rank), (pair.RowCount, rank)])
                bytes += 2 * Workspace.Size(op.X.Type, rows, columns);
        }
        return bytes;
    }
}
