using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Operations;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <summary>
    /// The pairs that have rows, as many to a launch as fit; at least one group, which may be empty.
    /// </summary>
    /// <param name="op">The layer.</param>
    /// <param name="ds">For each pair of the layer where its dS goes; empty in the forward.</param>
    /// <param name="withTall">Whether those for cuBLAS are among them.</param>
    private KernelPairs[] GroupsOf(in LinearOp op, Tensor[] ds, bool withTall = true)
    {
        if (op.LowRankCount > (op.LowRank?.Length ?? 0))
            throw new ArgumentException(
                $"a linear operation names {op.LowRankCount} low-rank pairs but has {op.LowRank?.Length ?? 0}");
        List<KernelPairs> full = [];
        var group = new KernelPairs();
        for (var p = 0; p < op.LowRankCount; p++)
        {
            ref readonly var pair = ref op.LowRank![p];
            if (pair.RowCount == 0 || (!withTall && IsTall(op, pair))) continue;
            if (group.Count == KernelPairs.Capacity)
            {
                full.Add(group);
                group = default;
            }
            group.Add(new KernelPair(pair, ds.Length > 0 ? ds[p] : default, MaskOf(pair.Dropout)));
        }
        return [.. full, group];
    }

    /// <summary>S = drop(X) Aᵀ of all pairs.</summary>
    private void LowRankDown(in LinearOp op)
    {
        foreach (ref readonly var group in GroupsOf(op, [], withTall: false).AsSpan()) LowRankDown(op.X, group);
        for (var p = 0; p < op.LowRankCount; p++)
            if (IsTall(op, op.LowRank![p])) TallDown(op, op.LowRank[p]);
    }

    private void LowRankDown(in Tensor x, in KernelPairs pairs)
    {
        if (pairs.Count == 0) return;
        var arguments = new KernelArguments();
        arguments.Add(x).Add(pairs);
        Launch(kernels.Get("low_rank", "low_rank_down", x.Type), NarrowTiles(pairs), arguments);
    }

    /// <summary>dS of all pairs, then the gradients of A and B.</summary>
    private void LowRankBackward(in LinearOp op, in Tensor dy, Tensor[] ds)
    {
        foreach (ref readonly var group in GroupsOf(op, ds, withTall: false).AsSpan()) LowRankBackward(op, dy, group);
        for (var p = 0; p < op.LowRankCount; p++)
            if (IsTall(op, op.LowRank![p])) TallBackward(op, dy, op.LowRank[p], ds[p]);
    }

    private void LowRankBackward(in LinearOp op, in Tensor dy, in KernelPairs pairs)
    {
        if (pairs.Count == 0) return;
        var down = new KernelArguments();
        down.Add(dy).Add(op.OutputScale).Add(pairs);
        Launch(kernels.Get("low_rank", "low_rank_down_gradient", dy.Type), NarrowTiles(pairs), down);
        if (pairs.HaveOwnGradients) LowRankWeightGradients(op, dy, pairs);
        else
            for (var p = 0; p < pairs.Count; p++) LowRankWeightGradients(op, dy, pairs.Only(p));
    }

    private void LowRankWeightGradients(in LinearOp op, in Tensor dy, in KernelPairs pairs)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.X).Add(dy).Add(op.OutputScale).Add(pairs);
        var tiles = Cover(op.X.Columns, TileSize) + Cover(dy.Columns, TileSize);
        Launch(kernels.Get("low_rank", "low_rank_weight_gradients", dy.Type),
            new(new(tiles, Cover(pairs.Largest.Rank, TileSize), pairs.Count), TileThreads), arguments);
    }

    /// <summary>The launch of a kernel that makes [rows, rank] of every pair.</summary>
    private static LaunchShape NarrowTiles(in KernelPairs pairs)
    {
        var (rank, rows) = pairs.Largest;
        return new(new(Cover(rank, TileSize), Cover(rows, TileSize), pairs.Count), TileThreads);
    }

    private static long DownGradientBytes(in LinearOp op)
    {
        var bytes = 0L;
        for (var p = 0; p < op.LowRankCount; p++)
            bytes += Workspace.Size(DType.Float32, op.LowRank![p].RowCount, op.LowRank[p].A.Rows);
        return bytes;
    }

    private Tensor[] TakeDownGradients(in LinearOp op)
    {
        var ds = new Tensor[op.LowRankCount];
        for (var p = 0; p < ds.Length; p++)
            ds[p] = workspace.Take(DType.Float32, op.LowRank![p].RowCount, op.LowRank[p].A.Rows);
        return ds;
    }
}
