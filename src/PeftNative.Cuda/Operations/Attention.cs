using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Operations;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    private const int AttentionThreads = 128, SegmentColumns = 6;

    /// <summary>Keys that a split of a long cache has at least.</summary>
    private const int KeysPerSplit = 256;

    private const int MostSplits = 32;

    private readonly RelativeBucketTables bucketTables;

    /// <inheritdoc/>
    public void Forward(in AttentionOp op)
    {
        var segments = OnHost(op.Segments);
        var queries = Longest(segments, 1);
        if (MmaWidth(op, queries, false) is { } width)
        {
            MmaForward(op, width, queries);
            return;
        }
        var tile = AttentionTile.Of("attention_forward", op.HeadDim, queries, device.MaxSharedBytes,
            static (d, q, k) => (2 * q + k) * (d | 1) + q * (k + 4));
        var tiles = Cover(queries, tile.Queries);
        var grid = checked(op.Segments.Rows * tiles * op.Heads);
        if (grid == 0) return;
        var splits = KeySplits(grid, Longest(segments, 3, 5));
        var partials = Partials(splits > 1 ? (long)grid * splits * tile.Queries : 0, op.HeadDim + 2);
        var arguments = new KernelArguments();
        arguments.Add(new KernelAttention(op, bucketTables, MaskOf(op.Dropout))).Add(tiles).Add(tile.Queries)
            .Add(tile.Keys).Add(partials);
        Launch(kernels.Get("attention", "attention_forward", op.Q.Type),
            new(new(grid, splits), AttentionThreads, tile.Bytes), arguments);
        if (splits == 1) return;
        var merge = new KernelArguments();
        merge.Add(new KernelAttention(op, bucketTables, MaskOf(op.Dropout))).Add(tiles).Add(tile.Queries).Add(splits)
            .Add(partials);
        Launch(kernels.Get("attention", "attention_merge", op.Q.Type), new(grid, AttentionThreads), merge);
    }

    /// <summary>Pieces of the keys that make enough blocks of a grid that alone would not fill the device.</summary>
    private int KeySplits(int grid, int keys) =>
        Math.Clamp(Math.Min(keys / KeysPerSplit, 2 * device.Multiprocessors / grid), 1, MostSplits);

    /// <summary>fp32 workspace of an operation that needs nothing else, or 0.</summary>
    private nint Partials(long rows, int columns)
    {
        if (rows == 0) return 0;
        workspace.Begin(Workspace.Size(DType.Float32, rows, columns));
        return workspace.Take(DType.Float32, checked((int)rows), columns).Pointer;
    }

    /// <summary>
    /// The largest sum of two columns (or value of one) over the rows of <see cref="AttentionOp.Segments"/>.
    /// </summary>
    private static int Longest(ReadOnlySpan<int> segments, int column, int? other = null)
    {
        var longest = 0;
        for (var s = 0; s < segments.Length; s += SegmentColumns)
            longest = Math.Max(longest, segments[s + column] + (other is { } o ? segments[s + o] : 0));
        return longest;
    }

    /// <summary>The layout of <c>Attention</c> in kernels/include/attention.cuh.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct KernelAttention(in AttentionOp op, RelativeBucketTables tables, in KernelMask mask)
    {
        public readonly Tensor Q = op.Q, K = op.K, V = op.V, PrefixK = op.PrefixK, PrefixV = op.PrefixV;
        public readonly Tensor Segments = op.Segments, RelativeBias = op.RelativeBias;
        public readonly Tensor Y = op.Y, LogSumExp = op.LogSumExp;
        public readonly KernelMask Dropout = mask;
        public readonly nint Buckets = op.RelativeBias.IsPresent ? tables.Of(op) : 0;
        public readonly int Reach = RelativeBucketTables.Reach(op);
        public readonly int Heads = op.Heads, KvHeads = op.KvHeads, HeadDim = op.HeadDim;
        public readonly int HeadStride = op.HeadStride, KvHeadStride = op.KvHeadStride;
        public readonly int Causal = op.Causal ? 1 : 0, Window = op.Window;
        public readonly float Scale = (float)op.Scale, SoftCap = (float)op.SoftCap;
    }
}
