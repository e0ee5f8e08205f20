using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <summary>One row of <see cref="AttentionOp.Segments"/>.</summary>
    private readonly record struct Segment(
        int FirstQuery, int Queries, int FirstKey, int Keys, int FirstPrefix, int Prefix)
    {
        public static Segment Of(in AttentionOp op, int s)
        {
            var row = op.Segments.RowRange(s, 1);
            return new(Elements.Int(row, 0), Elements.Int(row, 1), Elements.Int(row, 2), Elements.Int(row, 3),
                Elements.Int(row, 4), Elements.Int(row, 5));
        }
    }

    /// <summary>
    /// One head of one query and what it sees. Keys are counted with the prefix in front: j &lt; Prefix is a prefix
    /// key, which stands at position j - Prefix; the others stand at 0, 1, ... and query i at position i + keys -
    /// queries.
    /// </summary>
    private sealed class AttentionQuery
    {
        private readonly AttentionOp op;
        private readonly Segment segment;
        private readonly int position;

        public AttentionQuery(in AttentionOp op, Segment segment, int i, int head)
        {
            (this.op, this.segment, Head) = (op, segment, head);
            Row = segment.FirstQuery + i;
            KvHead = head / (op.Heads / op.KvHeads);
            position = i + segment.Keys - segment.Queries;
            Query = LoadHead(op.Q, Row, head * op.HeadStride, op.HeadDim);
            Scores = new double[segment.Prefix + segment.Keys];
            for (var j = 0; j < Scores.Length; j++) Scores[j] = Sees(j) ? Score(j) : double.NegativeInfinity;
        }

        public int Row { get; }

        public int Head { get; }

        public int KvHead { get; }

        public double[] Query { get; }

        /// <summary>Capped scores, -∞ for what is not seen.</summary>
        public double[] Scores { get; }

        public bool Sees(int j)
        {
            var key = j - segment.Prefix;
            return (!op.Causal || key < 0 || key <= position) && (op.Window <= 0 || key > position - op.Window);
        }

        public double Keep(int j) =>
            KeepFactor(op.Dropout, (((ulong)Row * (ulong)op.Heads + (ulong)Head) << 20) + (ulong)j);

        public int Bucket(int j) => RelativeBuckets.Of(j - segment.Prefix - position, op.RelativeBias.Rows,
            op.RelativeMaxDistance, op.RelativeBidirectional);

        public bool IsPrefix(int j) => j < segment.Prefix;

        /// <summary>The row of key j in K and V, or in PrefixK and PrefixV.</summary>
        public int KeyRow(int j) => IsPrefix(j) ? segment.FirstPrefix + j : segment.FirstKey + j - segment.Prefix;

        public double[] Key(int j) => KeyHead(j, op.K, op.PrefixK);

        public double[] Value(int j) => KeyHead(j, op.V, op.PrefixV);

        private double[] KeyHead(int j, in Tensor tensor, in Tensor prefix) => IsPrefix(j)
            ? LoadHead(prefix, KeyRow(j), KvHead * op.HeadDim, op.HeadDim)
            : LoadHead(tensor, KeyRow(j), KvHead * op.KvHeadStride, op.HeadDim);

        private double Score(int j)
        {
            var bias = op.RelativeBias.IsPresent ? Elements.Get(op.RelativeBias, Bucket(j), Head) : 0;
            return Cap(op.Scale * Matrix.Dot(Query, Key(j)) + bias, op.SoftCap);
        }
    }

    /// <summary>Gradients of attention with contiguous heads, summed in double precision before they are written
    /// once.</summary>
    private sealed class AttentionSums(AttentionOp op)
    {
        public Matrix Q { get; } = new(op.Q.Rows, op.Heads * op.HeadDim);

        public Matrix K { get; } = new(op.K.Rows, op.KvHeads * op.HeadDim);

        public Matrix V { get; } = new(op.V.Rows, op.KvHeads * op.HeadDim);

        public Matrix PrefixK { get; } = new(op.PrefixK.Rows, op.KvHeads * op.HeadDim);

        public Matrix PrefixV { get; } = new(op.PrefixV.Rows, op.KvHeads * op.HeadDim);

        public Matrix RelativeBias { get; } = new(op.RelativeBias.Rows, op.RelativeBias.Columns);

        public Span<double> QueryHead(AttentionQuery query) =>
            Q.Row(query.Row).Slice(query.Head * op.HeadDim, op.HeadDim);

        public Span<double> KeyHead(AttentionQuery query, int j) => Head(query.IsPrefix(j) ? PrefixK : K, query, j);

        public Span<double> ValueHead(AttentionQuery query, int j) => Head(query.IsPrefix(j) ? PrefixV : V, query, j);

        private Span<double> Head(Matrix sums, AttentionQuery query, int j) =>
            sums.Row(query.KeyRow(j)).Slice(query.KvHead * op.HeadDim, op.HeadDim);
    }
}
