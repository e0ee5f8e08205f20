using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct AttentionArguments
{
    public Matrix Q, K, V, PrefixK, PrefixV, RelativeBias, Y, LogSumExp;
    public ArrayView<int> Segments, Buckets; // Buckets[distance + Furthest]
    public Mask Dropout;
    public int Sequences, Heads, KvHeads, HeadDim, HeadStride, KvHeadStride, Causal, Window, Furthest;
    public float Scale, SoftCap;
}

/// <summary>One row of the segments, and where a row of the queries is in it.</summary>
internal struct AttentionSegment
{
    public int FirstQuery, Queries, FirstKey, Keys, FirstPrefix, Prefix;

    /// <summary>Keys with the prefix in front.</summary>
    public readonly int Columns => Prefix + Keys;

    public static AttentionSegment At(ArrayView<int> segments, int s) => new()
    {
        FirstQuery = segments[6 * s],
        Queries = segments[6 * s + 1],
        FirstKey = segments[6 * s + 2],
        Keys = segments[6 * s + 3],
        FirstPrefix = segments[6 * s + 4],
        Prefix = segments[6 * s + 5],
    };

    /// <summary>The segment of a query row; one without queries when there is none.</summary>
    public static AttentionSegment OfQuery(AttentionArguments a, int row)
    {
        AttentionSegment found = default;
        for (var s = 0; s < a.Sequences; s++)
        {
            var segment = At(a.Segments, s);
            if (row >= segment.FirstQuery && row < segment.FirstQuery + segment.Queries) found = segment;
        }
        return found;
    }
}

/// <summary>
/// Softmax attention without stored probabilities: a group of threads per head of a query row (forward) computes the
/// scores twice, for the denominator and for the sum. Keys are taken in chunks: each thread computes weights of some
/// keys into shared memory, then sums over the chunk for some columns of the head. So no sum is shared between threads,
/// and the order is fixed.
/// </summary>
internal static class AttentionKernels
{
    public const int Chunk = 64;

    public static void Forward(AttentionArguments a)
    {
        var (row, head) = (Grid.IdxX / a.Heads, Grid.IdxX % a.Heads);
        var segment = AttentionSegment.OfQuery(a, row);
        if (segment.Queries == 0) return;
        var weights = SharedMemory.Allocate<float>(Chunk);
        var (max, sum) = Denominator(a, segment, row, head);
        if (Group.IdxX == 0 && a.LogSumExp.IsPresent)
            a.LogSumExp.Set(row, head, sum > 0 ? max + Mathematics.Log(sum) : float.NegativeInfinity);
        var column = head * a.HeadDim;
        for (var d = Group.IdxX; d < a.HeadDim; d += Group.DimX) a.Y.Set(row, column + d, 0);
        for (var first = 0; first < segment.Columns; first += Chunk)
        {
            var count = segment.Columns - first < Chunk ? segment.Columns - first : Chunk;
            for (var c = Group.IdxX; c < count; c += Group.DimX)
            {
                var j = first + c;
                var sees = Sees(a, segment, row, j);
                weights[c] = sees
                    ? Mathematics.Exp(Score(a, segment, row, head, j) - max) / sum * Keep(a, row, head, j) : 0;
            }
            Group.Barrier();
            for (var d = Group.IdxX; d < a.HeadDim; d += Group.DimX)
            {
                var y = 0f;
                for (var c = 0; c < count; c++) y += weights[c] * Value(a, segment, head, first + c, d);
                a.Y.Add(row, column + d, y);
            }
            Group.Barrier();
        }
    }

    public static bool Sees(AttentionArguments a, AttentionSegment segment, int row, int j)
    {
        var key = j - segment.Prefix;
        var position = Position(segment, row);
        return (a.Causal == 0 || key < 0 || key <= position) && (a.Window <= 0 || key > position - a.Window);
    }

    public static float Keep(AttentionArguments a, int row, int head, int j) =>
        DropoutKernels.Keep(a.Dropout, ((ulong)((long)row * a.Heads + head) << 20) + (ulong)(long)j);

    /// <summary>The capped score of key j, which the query must see.</summary>
    public static float Score(AttentionArguments a, AttentionSegment segment, int row, int head, int j)
    {
        var dot = 0f;
        for (var d = 0; d < a.HeadDim; d++) dot += a.Q[row, head * a.HeadStride + d] * Key(a, segment, head, j, d);
        var bias = a.RelativeBias.IsPresent ? a.RelativeBias[Bucket(a, segment, row, j), head] : 0;
        return Mathematics.Cap(a.Scale * dot + bias, a.SoftCap);
    }

    public static int Bucket(AttentionArguments a, AttentionSegment segment, int row, int j)
    {
        var distance = j - segment.Prefix - Position(segment, row);
        if (distance > a.Furthest) distance = a.Furthest;
        if (distance < -a.Furthest) distance = -a.Furthest;
        return a.Buckets[distance + a.Furthest];
    }

    public static float Key(AttentionArguments a, AttentionSegment segment, int head, int j, int d)
    {
        var kvHead = head / (a.Heads / a.KvHeads);
        return j < segment.Prefix
            ? a.PrefixK[segment.FirstPrefix + j, kvHead * a.HeadDim + d]
            : a.K[segment.FirstKey + j - segment.Prefix, kvHead * a.KvHeadStride + d];
    }

    public static float Value(AttentionArguments a, AttentionSegment segment, int head, int j, int d)
    {
        var kvHead = head / (a.Heads / a.KvHeads);
        return j < segment.Prefix
            ? a.PrefixV[segment.FirstPrefix + j, kvHead * a.HeadDim + d]
            : a.V[segment.FirstKey + j - segment.Prefix, kvHead * a.KvHeadStride + d];
    }

    /// <summary>
    /// The largest score and Σ e^(score - largest). Each thread keeps the largest score it met and the sum relative to
    /// it; then the sums are brought to one scale. Not their logarithm: its rounding is relative to the score, that of
    /// the sum to the probability.
    /// </summary>
    private static (float Max, float Sum) Denominator(AttentionArguments a, AttentionSegment segment, int row, int head)
    {
        float largest = float.NegativeInfinity, sum = 0;
        for (var j = Group.IdxX; j < segment.Columns; j += Group.DimX)
        {
            if (!Sees(a, segment, row, j)) continue;
            var score = Score(a, segment, row, head, j);
            if (score > largest)
            {
                sum *= Mathematics.Exp(largest - score);
                largest = score;
            }
            sum += Mathematics.Exp(score - largest);
        }
        var max = GroupReduce.Max(largest);
        return (max, GroupReduce.Sum(sum > 0 ? sum * Mathematics.Exp(largest - max) : 0));
    }

    // Query i of a segment stands at position i + keys - queries.
    private static int Position(AttentionSegment segment, int row) =>
        row - segment.FirstQuery + segment.Keys - segment.Queries;
}
