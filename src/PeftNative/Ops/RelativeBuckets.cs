namespace PeftNative.Ops;

/// <summary>The buckets of <see cref="AttentionOp.RelativeBias"/>. Thread-safe.</summary>
public static class RelativeBuckets
{
    private const int MostKeys = 1 << 20; // of a sequence, see AttentionOp.Dropout

    /// <summary>
    /// The bucket of key position minus query position (Raffel et al. 2019, arXiv:1910.10683, section 2.1): with
    /// <paramref name="bidirectional"/> the upper half of the buckets is for keys after the query, else those share
    /// bucket 0. Half of what remains holds one distance each, the rest grows logarithmically up to <paramref
    /// name="maxDistance"/>. The logarithm is in single precision, as where the checkpoints come from, because rounding
    /// decides at the edges of buckets. Never below 0 nor beyond the last bucket, also where these sizes define none
    /// (see <see cref="Furthest"/>).
    /// </summary>
    public static int Of(int distance, int buckets, int maxDistance, bool bidirectional)
    {
        var first = 0;
        if (bidirectional)
        {
            buckets /= 2;
            if (distance > 0) first = buckets;
            distance = Math.Abs(distance);
        }
        else
        {
            distance = Math.Max(-distance, 0);
        }
        var exact = buckets / 2;
        if (distance < exact) return first + distance;
        var steps = Steps(distance, buckets, maxDistance);
        // Compared before it becomes a whole number: it may be infinite or none.
        return first + (steps >= buckets - 1 - exact ? buckets - 1 : steps > -exact ? exact + (int)steps : 0);
    }

    /// <summary>
    /// The largest distance for which these sizes define a bucket: none (-1) where half of the buckets of one direction
    /// is not one, as the formula divides by it; all distances where the largest is beyond the exact ones. Else the
    /// logarithm it divides by is not positive, and buckets fall below the first or are no number.
    /// </summary>
    /// <param name="buckets">Buckets of both directions.</param>
    /// <param name="maxDistance">Largest distance that buckets tell apart.</param>
    /// <param name="bidirectional">Whether the buckets tell keys before from keys after.</param>
    public static int Furthest(int buckets, int maxDistance, bool bidirectional)
    {
        if (bidirectional) buckets /= 2;
        var exact = buckets / 2;
        if (exact < 1 || maxDistance < 1) return -1;
        if (maxDistance > exact) return int.MaxValue;
        var distance = exact;
        while (distance < MostKeys && exact + Math.Truncate(Steps(distance, buckets, maxDistance)) >= 0) distance++;
        return distance - 1;
    }

    /// <summary>A distance beyond which <see cref="Of"/> gives no other buckets, for tables.</summary>
    public static int Reach(int buckets, int maxDistance, bool bidirectional)
    {
        var exact = (bidirectional ? buckets / 2 : buckets) / 2;
        if (maxDistance > exact) return maxDistance;
        var distance = Math.Max(0, Furthest(buckets, maxDistance, bidirectional));
        return Math.Max(distance, exact) + 2; // at the first of these the formula may divide nothing by nothing
    }

    // Buckets beyond the exact ones, before rounding to zero.
    private static float Steps(int distance, int buckets, int maxDistance)
    {
        var exact = buckets / 2;
        var share = MathF.Log((float)distance / exact) / (float)Math.Log((double)maxDistance / exact);
        return share * (buckets - exact);
    }
}
