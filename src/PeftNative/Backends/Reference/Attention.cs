using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in AttentionOp op)
    {
        foreach (var query in Queries(op))
        {
            var logSum = LogSumExp(query.Scores);
            if (op.LogSumExp.IsPresent) Elements.Set(op.LogSumExp, query.Row, query.Head, logSum);
            var y = new double[op.HeadDim];
            for (var j = 0; j < query.Scores.Length; j++)
                if (query.Sees(j))
                    AddScaled(query.Value(j), Math.Exp(query.Scores[j] - logSum) * query.Keep(j), y);
            for (var d = 0; d < op.HeadDim; d++) Elements.Set(op.Y, query.Row, query.Head * op.HeadDim + d, y[d]);
        }
    }

    /// <inheritdoc/>
    public void Backward(in AttentionOp op, in AttentionGradients gradients)
    {
        var sums = new AttentionSums(op);
        foreach (var query in Queries(op)) QueryBackward(query, op, gradients, sums);
        for (var s = 0; s < op.Segments.Rows; s++)
        {
            var segment = Segment.Of(op, s);
            StoreHeads(sums.Q, gradients.DQ, segment.FirstQuery, segment.Queries, op.Heads, op.HeadStride);     // =
            StoreHeads(sums.K, gradients.DK, segment.FirstKey, segment.Keys, op.KvHeads, op.KvHeadStride);      // =
            StoreHeads(sums.V, gradients.DV, segment.FirstKey, segment.Keys, op.KvHeads, op.KvHeadStride);      // =
        }
        sums.PrefixK.AddTo(gradients.DPrefixK);                                                                 // +=
        sums.PrefixV.AddTo(gradients.DPrefixV);                                                                 // +=
        sums.RelativeBias.AddTo(gradients.DRelativeBias);                                                       // +=
    }

    /// <summary>
    /// With p the probabilities, m the dropout factors, c' the slope of the cap and δ = dY·Y:
    /// dV_j += p_j m_j dY;  ds_j = p_j (m_j dY·V_j - δ) c'_j;  dbias_j += ds_j;  dQ += Scale ds_j K_j;  dK_j += Scale
    /// ds_j Q.
    /// </summary>
    private static void QueryBackward(AttentionQuery query, in AttentionOp op, in AttentionGradients gradients,
        AttentionSums sums)
    {
        var logSum = Elements.Get(op.LogSumExp, query.Row, query.Head);
        var dy = LoadHead(gradients.DY, query.Row, query.Head * op.HeadDim, op.HeadDim);
        var delta = Matrix.Dot(dy, LoadHead(op.Y, query.Row, query.Head * op.HeadDim, op.HeadDim));
        if (gradients.Delta.IsPresent) Elements.Set(gradients.Delta, query.Row, query.Head, delta);
        for (var j = 0; j < query.Scores.Length; j++)
        {
            if (!query.Sees(j)) continue;
            var p = Math.Exp(query.Scores[j] - logSum);
            var ds = p * (query.Keep(j) * Matrix.Dot(dy, query.Value(j)) - delta);
            ds *= CapSlope(query.Scores[j], op.SoftCap);
            AddScaled(dy, p * query.Keep(j), sums.ValueHead(query, j));
            AddScaled(query.Key(j), op.Scale * ds, sums.QueryHead(query));
            AddScaled(query.Query, op.Scale * ds, sums.KeyHead(query, j));
            if (op.RelativeBias.IsPresent) sums.RelativeBias[query.Bucket(j), query.Head] += ds;
        }
    }

    /// <summary>Every head of every query of every segment, in order.</summary>
    private static IEnumerable<AttentionQuery> Queries(AttentionOp op)
    {
        for (var s = 0; s < op.Segments.Rows; s++)
        {
            var segment = Segment.Of(op, s);
            for (var i = 0; i < segment.Queries; i++)
                for (var h = 0; h < op.Heads; h++)
                    yield return new AttentionQuery(op, segment, i, h);
        }
    }

    private static double[] LoadHead(in Tensor tensor, int row, int column, int width)
    {
        var result = new double[width];
        for (var d = 0; d < width; d++) result[d] = Elements.Get(tensor, row, column + d);
        return result;
    }

    /// <summary>Writes the heads of the rows of one segment; what lies between heads belongs to others.</summary>
    private static void StoreHeads(Matrix sums, in Tensor target, int first, int count, int heads, int targetStride)
    {
        if (!target.IsPresent) return;
        var width = sums.Columns / heads;
        for (var i = first; i < first + count; i++)
            for (var h = 0; h < heads; h++)
                for (var d = 0; d < width; d++)
                    Elements.Set(target, i, h * targetStride + d, sums[i, h * width + d]);
    }

    private static void AddScaled(ReadOnlySpan<double> source, double factor, Span<double> target)
    {
        for (var d = 0; d < source.Length; d++) target[d] += factor * source[d];
    }
}
