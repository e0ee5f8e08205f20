using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Causal attention over equal sequences.</summary>
internal sealed class AttentionBenchmark : OperationBenchmark
{
    private const int SegmentFields = 6;

    /// <inheritdoc/>
    public override string Name => "attention";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes =>
        [new("batch", 2), new("seq", 256), new("heads", 12), new("kv_heads", 12), new("head_dim", 64),
            new("prefix", 0)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (batch, seq, heads, kvHeads, dim, prefix) =
            (size("batch"), size("seq"), size("heads"), size("kv_heads"), size("head_dim"), size("prefix"));
        var (rows, width, kvWidth) = (batch * seq, heads * dim, kvHeads * dim);
        var op = new AttentionOp
        {
            Q = operands.Matrix(rows, width), K = operands.Matrix(rows, kvWidth), V = operands.Matrix(rows, kvWidth),
            PrefixK = prefix == 0 ? default : operands.Parameter(prefix, kvWidth),
            PrefixV = prefix == 0 ? default : operands.Parameter(prefix, kvWidth),
            Segments = operands.Integers(batch, SegmentFields,
                i => Segment(i / SegmentFields, seq, prefix)[i % SegmentFields]),
            Heads = heads, KvHeads = kvHeads, HeadDim = dim, HeadStride = dim, KvHeadStride = dim,
            Scale = 1 / Math.Sqrt(dim), Causal = true,
            Y = operands.Result(rows, width), LogSumExp = operands.Statistic(rows, heads),
        };
        var gradients = new AttentionGradients
        {
            DY = operands.Matrix(rows, width), DQ = operands.Result(rows, width), DK = operands.Result(rows, kvWidth),
            DV = operands.Result(rows, kvWidth),
            DPrefixK = prefix == 0 ? default : operands.Statistic(prefix, kvWidth),
            DPrefixV = prefix == 0 ? default : operands.Statistic(prefix, kvWidth),
            Delta = operands.Statistic(rows, heads),
        };
        // Pairs of a query and a key it sees, times a dot product; two products forward, five backward.
        var product = 2.0 * dim * heads * batch * (seq * (seq + 1.0) / 2 + (double)seq * prefix);
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Operations = 2 * product },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Operations = 5 * product },
        ];
    }

    private static int[] Segment(int sequence, int seq, int prefix) =>
        [sequence * seq, seq, sequence * seq, seq, 0, prefix];
}
