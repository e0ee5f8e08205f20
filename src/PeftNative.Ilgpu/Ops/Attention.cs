using ILGPU;
using ILGPU.Runtime;
using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    private readonly Dictionary<(int Buckets, int MaxDistance, bool Bidirectional), MemoryBuffer1D<int,
        Stride1D.Dense>> bucketTables = [];

    /// <inheritdoc/>
    public void Forward(in AttentionOp op) =>
        Groups(AttentionKernels.Forward, (long)op.Q.Rows * op.Heads, ArgumentsOf(op));

    /// <inheritdoc/>
    public void Backward(in AttentionOp op, in AttentionGradients gradients)
    {
        scratch.Reset();
        var heads = (long)op.Q.Rows * op.Heads;
        var delta = gradients.Delta.IsPresent ? gradients.Delta : scratch.Allocate(DType.Float32, op.Q.Rows, op.Heads);
        var arguments = new AttentionBackwardArguments
        {
            Forward = ArgumentsOf(op),
            DY = View(gradients.DY),
            Delta = View(delta),
            DQ = View(gradients.DQ),
            DK = View(gradients.DK),
            DV = View(gradients.DV),
            BiasParts = absent,
            DRelativeBias = absent,
        };
        Each(AttentionBackwardKernels.Delta, heads, arguments);
        if (gradients.DQ.IsPresent) Groups(AttentionBackwardKernels.Queries, heads, arguments);
        if (gradients.DK.IsPresent || gradients.DV.IsPresent)
            Groups(AttentionBackwardKernels.Keys, (long)op.K.Rows * op.KvHeads, arguments);
        if (gradients.DPrefixK.IsPresent || gradients.DPrefixV.IsPresent)
            Groups(AttentionBackwardKernels.Keys, (long)op.PrefixK.Rows * op.KvHeads,
                arguments with { DK = View(gradients.DPrefixK), DV = View(gradients.DPrefixV), IsPrefix = 1 });
        if (gradients.DRelativeBias.IsPresent) RelativeBiasGradient(op, gradients, arguments);
    }

    private void RelativeBiasGradient(in AttentionOp op, in AttentionGradients gradients,
        AttentionBackwardArguments arguments)
    {
        var heads = op.Q.Rows * op.Heads;
        if (heads == 0) return;
        arguments.BiasParts = View(scratch.Allocate(DType.Float32, heads, op.RelativeBias.Rows));
        arguments.DRelativeBias = View(gradients.DRelativeBias);
        Each(AttentionBackwardKernels.BiasParts, heads, arguments);
        Each(AttentionBackwardKernels.RelativeBias, gradients.DRelativeBias.Count, arguments);
    }

    private AttentionArguments ArgumentsOf(in AttentionOp op) => new()
    {
        Q = View(op.Q),
        K = View(op.K),
        V = View(op.V),
        PrefixK = View(op.PrefixK),
        PrefixV = View(op.PrefixV),
        RelativeBias = View(op.RelativeBias),
        Y = View(op.Y),
        LogSumExp = View(op.LogSumExp),
        Segments = Integers(op.Segments),
        Buckets = op.RelativeBias.IsPresent ? BucketTable(op) : absentIntegers,
        Furthest = BucketReach(op),
        Dropout = MaskOf(op.Dropout),
        Sequences = op.Segments.Rows,
        Heads = op.Heads,
        KvHeads = op.KvHeads,
        HeadDim = op.HeadDim,
        HeadStride = op.HeadStride,
        KvHeadStride = op.KvHeadStride,
        Causal = op.Causal ? 1 : 0,
        Window = op.Window,
        Scale = (float)op.Scale,
        SoftCap = (float)op.SoftCap,
    };

    /// <summary>
    /// The bucket of every distance up to that beyond which it does not change, made on the host: at the edges of
    /// buckets the last bit of a logarithm decides, and devices differ in it.
    /// </summary>
    private ArrayView<int> BucketTable(in AttentionOp op)
    {
        var key = (op.RelativeBias.Rows, op.RelativeMaxDistance, op.RelativeBidirectional);
        if (bucketTables.TryGetValue(key, out var table)) return table.View;
        var furthest = BucketReach(op);
        var buckets = new int[2 * furthest + 1];
        for (var i = 0; i < buckets.Length; i++)
            buckets[i] = RelativeBuckets.Of(i - furthest, key.Rows, key.RelativeMaxDistance, key.RelativeBidirectional);
        table = accelerator.Allocate1D(buckets);
        bucketTables.Add(key, table);
        return table.View;
    }

    private static int BucketReach(in AttentionOp op) => op.RelativeBias.IsPresent
        ? RelativeBuckets.Reach(op.RelativeBias.Rows, op.RelativeMaxDistance, op.RelativeBidirectional)
        : 0;
}
