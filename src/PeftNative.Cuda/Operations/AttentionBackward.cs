using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Operations;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Backward(in AttentionOp op, in AttentionGradients gradients)
    {
        if (op.Segments.Rows == 0) return;
        var segments = OnHost(op.Segments);
        var queries = Longest(segments, 1);
        var mma = MmaWidth(op, queries, true);
        var prefix = gradients.DPrefixK.IsPresent || gradients.DPrefixV.IsPresent ? Longest(segments, 5) : 0;
        var prefixRows = checked(prefix * op.Segments.Rows);
        var tile = AttentionTile.Of("attention_query_gradients", op.HeadDim, queries, device.MaxSharedBytes,
            static (d, q, k) => (3 * q + 2 * k) * (d | 1) + q * (k + 2) + k, op.RelativeBias.Rows);
        var tiles = op.Segments.Rows * Cover(queries, tile.Queries);
        var biasRows = gradients.DRelativeBias.IsPresent ? checked(tiles * op.Heads) : 0;
        var prefixColumns = 2 * op.KvHeads * op.HeadDim;
        workspace.Begin(Workspace.Size(DType.Float32, prefixRows, prefixColumns) +
            Workspace.Size(DType.Float32, biasRows, op.RelativeBias.Rows) +
            Workspace.Size(DType.Float32, op.Y.Rows, op.Heads));
        var prefixPartials = workspace.Take(DType.Float32, prefixRows, prefixColumns);
        var biasPartials = workspace.Take(DType.Float32, biasRows, op.RelativeBias.Rows);
        var buffers = new KernelAttentionGradients(gradients, gradients.Delta.IsPresent
            ? gradients.Delta
            : workspace.Take(DType.Float32, op.Y.Rows, op.Heads));
        var shared = new KernelAttention(op, bucketTables, MaskOf(op.Dropout));

        Delta(op, shared, buffers);
        KeyGradients(op, gradients, shared, buffers, mma, prefix, prefixPartials);
        if (prefix > 0) PrefixGradients(gradients, shared, prefix, prefixPartials, op.PrefixK);
        if (mma is { } width && biasRows == 0)
        {
            if (gradients.DQ.IsPresent) MmaQueryGradients(op, shared, buffers, width, queries);
            return;
        }
        if (gradients.DQ.IsPresent || biasRows > 0)
            QueryGradients(op, shared, buffers, tile, tiles, biasRows > 0 ? biasPartials : default);
        if (biasRows > 0) BiasGradients(gradients.DRelativeBias, biasPartials, tiles);
    }

    private void Delta(in AttentionOp op, in KernelAttention shared, in KernelAttentionGradients buffers)
    {
        var arguments = new KernelArguments();
        arguments.Add(shared).Add(buffers);
        Launch(kernels.Get("attention_backward", "attention_delta", op.Q.Type),
            new(Cover((long)op.Y.Rows * op.Heads, AttentionThreads / WarpSize), AttentionThreads), arguments);
    }

    private void KeyGradients(in AttentionOp op, in AttentionGradients gradients, in KernelAttention shared,
        in KernelAttentionGradients buffers, int? mma, int prefix, in Tensor partials)
    {
        var segments = OnHost(op.Segments);
        var tile = mma is { } width
            ? new(MmaWalk, MmaTile, MmaBytes(width, LargestMmaRows))
            : AttentionTile.Of("attention_key_gradients", op.HeadDim, Longest(segments, 1), device.MaxSharedBytes,
                static (d, q, k) => (2 * q + 4 * k) * (d | 1) + 2 * q * (k + 1));
        var prefixTiles = Cover(Longest(segments, 5), tile.Keys);
        var keyTiles = gradients.DK.IsPresent || gradients.DV.IsPresent ? Cover(Longest(segments, 3), tile.Keys) : 0;
        var first = prefix > 0 ? 0 : prefixTiles;
        var tiles = prefixTiles - first + keyTiles;
        var arguments = new KernelArguments();
        arguments.Add(shared).Add(buffers).Add(prefixTiles).Add(first).Add(tiles);
        if (mma is null) arguments.Add(tile.Queries).Add(tile.Keys);
        arguments.Add(prefix).Add(partials.Pointer);
        var kernel = mma is null
            ? kernels.Get("attention_backward", "attention_key_gradients", op.Q.Type)
            : kernels.Get("attention_mma_backward", $"attention_mma_key_gradients_{mma}", op.Q.Type);
        Launch(kernel, new(checked(op.Segments.Rows * tiles * op.KvHeads), AttentionThreads, tile.Bytes), arguments);
    }

    private void QueryGradients(in AttentionOp op, in KernelAttention shared, in KernelAttentionGradients buffers,
        AttentionTile tile, int tiles, in Tensor biasPartials)
    {
        var arguments = new KernelArguments();
        arguments.Add(shared).Add(buffers).Add(tiles / op.Segments.Rows).Add(tile.Queries).Add(tile.Keys);
        arguments.Add(biasPartials.Pointer);
        Launch(kernels.Get("attention_backward", "attention_query_gradients", op.Q.Type),
            new(checked(tiles * op.Heads), AttentionThreads, tile.Bytes), arguments);
    }

    private void PrefixGradients(in AttentionGradients gradients, in KernelAttention shared, int prefix,
        in Tensor partials,
        in Tensor prefixK)
    {
        var arguments = new KernelArguments();
        arguments.Add(shared).Add(partials.Pointer).Add(prefix).Add(gradients.DPrefixK).Add(gradients.DPrefixV);
        var threads = ThreadsFor(prefixK.Columns);
        Launch(kernels.Get("attention_backward", "attention_prefix_gradients", DType.Float32),
            new(new(Cover(prefixK.Columns, threads), prefixK.Rows), threads), arguments);
    }

    private void BiasGradients(in Tensor gradient, in Tensor partials, int count)
    {
        var arguments = new KernelArguments();
        arguments.Add(partials.Pointer).Add(count).Add(gradient);
        Launch(kernels.Get("attention_backward", "attention_bias_gradients", DType.Float32),
            new(Cover(gradient.Count, WarpSize), WarpSize), arguments);
    }

    /// <summary>The layout of <c>AttentionGradients</c> in kernels/attention_backward.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct KernelAttentionGradients(in AttentionGradients gradients, in Tensor delta)
    {
        public readonly Tensor DY = gradients.DY, DQ = gradients.DQ, DK = gradients.DK, DV = gradients.DV;
        public readonly Tensor Delta = delta;
    }
}
