using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

// Attention on tensor cores: kernels/attention_mma.cu and attention_mma_backward.cu.
public sealed partial class CudaBackend
{
    /// <summary>
    /// Rows of a block, and of the other side that it walks at a time: <c>mma_tile</c> and <c>mma_walk</c>.
    /// </summary>
    private const int MmaTile = 64, MmaWalk = 32, LargestMmaRows = 2 * MmaTile + 2 * MmaWalk;

    /// <summary>
    /// Fewer queries leave most of a tile of 16 rows empty: reading the keys decides then, not the products.
    /// </summary>
    private const int FewestMmaQueries = 8;

    /// <summary>Elements that a row of a tile has more than the head is wide.</summary>
    private const int MmaPadding = 8;

    /// <summary>
    /// The widths kernels are compiled for; a narrower head is filled up. The last one is for the forward alone.
    /// </summary>
    private static readonly int[] MmaWidths = [32, 64, 80, 96, 128, 256];

    /// <summary>
    /// The width of the kernels for a record, or null where the plain kernels do it: fp32, very wide heads, few
    /// queries.
    /// </summary>
    private int? MmaWidth(in AttentionOp op, int queries, bool backward)
    {
        if (op.Q.Type is not (DType.BFloat16 or DType.Float16) || queries < FewestMmaQueries) return null;
        foreach (var width in backward ? MmaWidths.AsSpan(..^1) : MmaWidths)
            if (op.HeadDim <= width && MmaBytes(width, LargestMmaRows) <= device.MaxSharedBytes) return width;
        return null;
    }

    private void MmaForward(in AttentionOp op, int width, int queries)
    {
        var tiles = Cover(queries, MmaTile);
        var arguments = new KernelArguments();
        arguments.Add(new KernelAttention(op, bucketTables, MaskOf(op.Dropout))).Add(tiles);
        Launch(kernels.Get("attention_mma", $"attention_mma_forward_{width}", op.Q.Type),
            new(checked(op.Segments.Rows * tiles * op.Heads), AttentionThreads, MmaBytes(width, MmaTile + 2 * MmaWalk)),
            arguments);
    }

    private void MmaQueryGradients(in AttentionOp op, in KernelAttention shared, in KernelAttentionGradients buffers,
        int width, int queries)
    {
        var tiles = Cover(queries, MmaTile);
        var arguments = new KernelArguments();
        arguments.Add(shared).Add(buffers).Add(tiles);
        Launch(kernels.Get("attention_mma_backward", $"attention_mma_query_gradients_{width}", op.Q.Type),
            new(checked(op.Segments.Rows * tiles * op.Heads), AttentionThreads, MmaBytes(width, LargestMmaRows)),
            arguments);
    }

    private static int MmaBytes(int width, int rows) => sizeof(ushort) * rows * (width + MmaPadding);
}
