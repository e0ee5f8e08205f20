using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct AttentionBackwardArguments
{
    public AttentionArguments Forward;
    public Matrix DY, Delta, DQ;
    public Matrix DK, DV; // of the keys, or with IsPrefix of the prefix
    public Matrix BiasParts, DRelativeBias; // BiasParts [rows · heads, buckets]
    public int IsPrefix;
}

/// <summary>
/// Gradients of attention. With p the probabilities, m the dropout factors, c' the slope of the cap and δ = dY·Y:
/// dV_j = Σ p_j m_j dY;  ds_j = p_j (m_j dY·V_j - δ) c'_j;  dQ = Scale Σ ds_j K_j;  dK_j = Scale Σ ds_j Q;  dbias = Σ
/// ds_j. Each sum belongs to one group of threads, which goes through its terms in order.
/// </summary>
internal static class AttentionBackwardKernels
{
    /// <summary>δ of every head of every row.</summary>
    public static void Delta(Index1D index, AttentionBackwardArguments b)
    {
        var a = b.Forward;
        var (row, head) = (index / a.Heads, index % a.Heads);
        var sum = 0f;
        for (var d = head * a.HeadDim; d < (head + 1) * a.HeadDim; d++) sum += b.DY[row, d] * a.Y[row, d];
        b.Delta.Set(row, head, sum);
    }

    /// <summary>A group of threads per head of a query row.</summary>
    public static void Queries(AttentionBackwardArguments b)
    {
        var a = b.Forward;
        var (row, head) = (Grid.IdxX / a.Heads, Grid.IdxX % a.Heads);
        var segment = AttentionSegment.OfQuery(a, row);
        if (segment.Queries == 0) return;
        var slopes = SharedMemory.Allocate<float>(AttentionKernels.Chunk);
        for (var d = Group.IdxX; d < a.HeadDim; d += Group.DimX) b.DQ.Set(row, head * a.HeadStride + d, 0);
        for (var first = 0; first < segment.Columns; first += AttentionKernels.Chunk)
        {
            var rest = segment.Columns - first;
            var count = rest < AttentionKernels.Chunk ? rest : AttentionKernels.Chunk;
            for (var c = Group.IdxX; c < count; c += Group.DimX)
            {
                var j = first + c;
                var p = Probability(a, segment, row, head, j);
                slopes[c] = p.Seen == 0
                    ? 0 : p.Value * (Dot(b, segment, row, head, j) * p.Keep - b.Delta[row, head]) * p.CapSlope;
            }
            Group.Barrier();
            for (var d = Group.IdxX; d < a.HeadDim; d += Group.DimX)
            {
                var sum = 0f;
                for (var c = 0; c < count; c++) sum += slopes[c] * AttentionKernels.Key(a, segment, head, first + c, d);
                b.DQ.Add(row, head * a.HeadStride + d, a.Scale * sum);
            }
            Group.Barrier();
        }
    }

    /// <summary>
    /// A group of threads per head of a key row, or of a prefix row: through every segment that names the row, every
    /// query head that shares the key's, every query. Keys are overwritten, prefixes added to.
    /// </summary>
    public static void Keys(AttentionBackwardArguments b)
    {
        var a = b.Forward;
        var (row, kvHead) = (Grid.IdxX / a.KvHeads, Grid.IdxX % a.KvHeads);
        var column = kvHead * (b.IsPrefix != 0 ? a.HeadDim : a.KvHeadStride);
        var slopes = SharedMemory.Allocate<float>(AttentionKernels.Chunk);
        var weights = SharedMemory.Allocate<float>(AttentionKernels.Chunk);
        var isFirst = b.IsPrefix == 0;
        for (var s = 0; s < a.Sequences; s++)
        {
            var segment = AttentionSegment.At(a.Segments, s);
            var j = row - (b.IsPrefix != 0 ? segment.FirstPrefix : segment.FirstKey);
            if (j < 0 || j >= (b.IsPrefix != 0 ? segment.Prefix : segment.Keys)) continue;
            if (b.IsPrefix == 0) j += segment.Prefix;
            for (var d = Group.IdxX; isFirst && d < a.HeadDim; d += Group.DimX)
            {
                if (b.DK.IsPresent) b.DK.Set(row, column + d, 0);
                if (b.DV.IsPresent) b.DV.Set(row, column + d, 0);
            }
            isFirst = false;
            var shared = a.Heads / a.KvHeads;
            for (var chunk = 0; chunk < shared * segment.Queries; chunk += AttentionKernels.Chunk)
            {
                var rest = shared * segment.Queries - chunk;
                var count = rest < AttentionKernels.Chunk ? rest : AttentionKernels.Chunk;
                for (var c = Group.IdxX; c < count; c += Group.DimX)
                {
                    var query = segment.FirstQuery + (chunk + c) % segment.Queries;
                    var head = kvHead * shared + (chunk + c) / segment.Queries;
                    var p = Probability(a, segment, query, head, j);
                    weights[c] = p.Value * p.Keep;
                    slopes[c] = p.Seen == 0
                        ? 0 : p.Value * (Dot(b, segment, query, head, j) * p.Keep - b.Delta[query, head]) * p.CapSlope;
                }
                Group.Barrier();
                for (var d = Group.IdxX; d < a.HeadDim; d += Group.DimX)
                {
                    float dk = 0, dv = 0;
                    for (var c = 0; c < count; c++)
                    {
                        var query = segment.FirstQuery + (chunk + c) % segment.Queries;
                        var head = kvHead * shared + (chunk + c) / segment.Queries;
                        dk += slopes[c] * a.Q[query, head * a.HeadStride + d];
                        dv += weights[c] * b.DY[query, head * a.HeadDim + d];
                    }
                    if (b.DK.IsPresent) b.DK.Add(row, column + d, a.Scale * dk);
                    if (b.DV.IsPresent) b.DV.Add(row, column + d, dv);
                }
                Group.Barrier();
            }
        }
    }

    /// <summary>
    /// What each head of each query row adds to the gradient of the relative bias; a thread per head and row.
    /// </summary>
    public static void BiasParts(Index1D index, AttentionBackwardArguments b)
    {
        var a = b.Forward;
        var (row, head) = (index / a.Heads, index % a.Heads);
        for (var bucket = 0; bucket < b.BiasParts.Columns; bucket++) b.BiasParts.Set(index, bucket, 0);
        var segment = AttentionSegment.OfQuery(a, row);
        if (segment.Queries == 0) return;
        for (var j = 0; j < segment.Columns; j++)
        {
            var p = Probability(a, segment, row, head, j);
            if (p.Seen == 0) continue;
            var slope = p.Value * (Dot(b, segment, row, head, j) * p.Keep - b.Delta[row, head]) * p.CapSlope;
            b.BiasParts.Add(index, AttentionKernels.Bucket(a, segment, row, j), slope);
        }
    }

    /// <summary>Sums the parts over rows, in order; a thread per bucket and head.</summary>
    public static void RelativeBias(Index1D index, AttentionBackwardArguments b)
    {
        var heads = b.Forward.Heads;
        var (bucket, head) = (index / heads, index % heads);
        var sum = 0f;
        for (var part = (int)head; part < b.BiasParts.Rows; part += heads) sum += b.BiasParts[part, bucket];
        b.DRelativeBias.Add(bucket, head, sum);                                                                    // +=
    }

    private struct KeyWeight
    {
        public float Value, Keep, CapSlope;
        public int Seen;
    }

    private static KeyWeight Probability(AttentionArguments a, AttentionSegment segment, int row, int head, int j)
    {
        KeyWeight result = default;
        if (!AttentionKernels.Sees(a, segment, row, j)) return result;
        var score = AttentionKernels.Score(a, segment, row, head, j);
        result.Value = Mathematics.Exp(score - a.LogSumExp[row, head]);
        result.Keep = AttentionKernels.Keep(a, row, head, j);
        result.CapSlope = Mathematics.CapSlope(score, a.SoftCap);
        result.Seen = 1;
        return result;
    }

    /// <summary>dY · V_j.</summary>
    private static float Dot(AttentionBackwardArguments b, AttentionSegment segment, int row, int head, int j)
    {
        var dot = 0f;
        for (var d = 0; d < b.Forward.HeadDim; d++)
            dot += b.DY[row, head * b.Forward.HeadDim + d] * AttentionKernels.Value(b.Forward, segment, head, j, d);
        return dot;
    }
}
