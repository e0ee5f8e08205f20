namespace PeftNative.Ops;

/// <summary>The buckets of <see cref="AttentionOp.RelativeBias"/>. Thread-safe.</summary>
public static class RelativeBuckets
{
    /// <summary>
    /// The bucket of key position minus query position (Raffel et al. 2019, arXiv:1910.10683, section 2.1): with
    /// <paramref name="bidirectional"/> the upper half of the buckets is for keys after the query, else those share
    /// bucket 0. Half of what remains holds one distance each, the rest grows logarithmically up to <paramref
    /// name="maxDistance"/>. The logarithm is in single precision, as where the checkpoints come from, because rounding
    /// decides at the edges of buckets.
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
        var share = MathF.Log((float)distance / exact) / (float)Math.Log((double)maxDistance / exact);
        return first + Math.Min(exact + (int)(share * (buckets - exact)), buckets - 1);
    }
}
