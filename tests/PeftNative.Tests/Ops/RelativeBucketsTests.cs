using PeftNative.Ops;
using Xunit;

namespace PeftNative.Tests.Ops;

/// <summary>
/// Few buckets and short distances, against transformers' formula (T5, _relative_position_bucket) evaluated step by
/// step in single precision; what it makes a negative number or none of is beyond
/// <see cref="RelativeBuckets.Furthest"/>.
/// </summary>
[Trait("Pace", "slow")]
public sealed class RelativeBucketsTests
{
    [Theory]
    [InlineData(2, 4, false, "0 1 1 1 1 1")]
    [InlineData(4, 4, true, "0 1 1 1 1 1")]
    [InlineData(5, 3, true, "0 1 1 1 1 1")]
    [InlineData(8, 8, true, "0 1 2 2 3 3 3 3 3")]
    [InlineData(8, 8, false, "0 1 2 3 4 5 6 7 7 7")]
    [InlineData(8, 3, false, "0 1 2 3 4 1")]
    [InlineData(8, 4, false, "0 1 2 3")]
    [InlineData(32, 8, false, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 15 14 13 11 10 9 8 7 6 5 4 4 3 2 1 0 0")]
    public void The_buckets_of_the_keys_before(int buckets, int maxDistance, bool bidirectional, string expected) =>
        Assert.Equal(expected, string.Join(' ', Enumerable.Range(0, expected.Split(' ').Length)
            .Select(d => RelativeBuckets.Of(-d, buckets, maxDistance, bidirectional))));

    [Theory]
    [InlineData(32, 128, true, int.MaxValue)]
    [InlineData(8, 8, false, int.MaxValue)]
    [InlineData(8, 4, false, 3)]   // the logarithm of one
    [InlineData(8, 3, false, 5)]   // that of less than one
    [InlineData(32, 8, false, 33)]
    [InlineData(4, 1, true, 0)]
    [InlineData(2, 4, true, -1)]   // half a bucket
    [InlineData(1, 4, false, -1)]
    [InlineData(8, 0, false, -1)]
    public void The_largest_distance_with_a_bucket(int buckets, int maxDistance, bool bidirectional, int expected) =>
        Assert.Equal(expected, RelativeBuckets.Furthest(buckets, maxDistance, bidirectional));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_bucket_lies_outside_and_none_changes_beyond_the_reach(bool bidirectional)
    {
        for (var buckets = 1; buckets <= 40; buckets++)
            for (var maxDistance = 1; maxDistance <= 40; maxDistance++)
            {
                var reach = RelativeBuckets.Reach(buckets, maxDistance, bidirectional);
                for (var distance = -3000; distance <= 3000; distance++)
                {
                    var bucket = RelativeBuckets.Of(distance, buckets, maxDistance, bidirectional);
                    Assert.InRange(bucket, 0, buckets - 1);
                    var clamped = Math.Clamp(distance, -reach, reach);
                    Assert.Equal(RelativeBuckets.Of(clamped, buckets, maxDistance, bidirectional), bucket);
                }
            }
    }
}
