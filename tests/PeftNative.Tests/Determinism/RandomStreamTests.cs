using PeftNative.Determinism;
using Xunit;

namespace PeftNative.Tests.Determinism;

public class RandomStreamTests
{
    private static readonly RandomStream Stream = new(20261123, RandomPurpose.Test);

    /// <summary>The vectors published with the generator (Random123, philox4x32 with 10 rounds).</summary>
    [Theory]
    [InlineData(0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x0000000000000000,
        0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)]
    [InlineData(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffffffffffff,
        0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)]
    [InlineData(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0x299f31d0a4093822,
        0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1)]
    public void Philox_gives_the_published_words(
        uint c0, uint c1, uint c2, uint c3, ulong key, uint r0, uint r1, uint r2, uint r3) =>
        Assert.Equal(new PhiloxBlock(r0, r1, r2, r3), Philox.Block(new PhiloxBlock(c0, c1, c2, c3), key));

    [Fact]
    public void The_counter_is_laid_out_as_documented()
    {
        var stream = RandomStream.ForStep(0x1122334455667788, RandomPurpose.Dropout, step: 5, index: 9);
        var counter = new PhiloxBlock(7, ((uint)RandomPurpose.Dropout << 16) | 3, 9, 5);
        Assert.Equal(Philox.Block(counter, 0x1122334455667788), stream.Block((3UL << 32) | 7));
        Assert.Equal(stream.Block(2)[1], stream.Bits(9));
    }

    [Fact]
    public void Seed_purpose_and_stream_each_change_the_numbers()
    {
        uint[] words =
        [
            new RandomStream(1, RandomPurpose.Test, 0).Bits(0), new RandomStream(2, RandomPurpose.Test, 0).Bits(0),
            new RandomStream(1, RandomPurpose.Dropout, 0).Bits(0), new RandomStream(1, RandomPurpose.Test, 1).Bits(0),
            new RandomStream(1UL << 32, RandomPurpose.Test, 0).Bits(0),
            new RandomStream(1, RandomPurpose.Test, 1UL << 32).Bits(0),
        ];
        Assert.Equal(words.Length, words.Distinct().Count());
    }

    [Fact]
    public void Uniform_numbers_fill_the_unit_interval_evenly()
    {
        const int count = 100_000, bins = 20;
        var single = new int[bins];
        var real = new int[bins];
        for (var i = 0UL; i < count; i++)
        {
            single[(int)(Stream.UniformSingle(i) * bins)]++;
            real[(int)(Stream.UniformDouble(i) * bins)]++;
        }
        // Chi-square with 19 degrees of freedom: 43.8 is exceeded once in a thousand.
        Assert.True(ChiSquare(single, count / (double)bins) < 43.8);
        Assert.True(ChiSquare(real, count / (double)bins) < 43.8);
    }

    [Fact]
    public void Normal_numbers_have_the_moments_of_the_normal_distribution()
    {
        const int count = 200_000;
        var powers = new double[5];
        for (var i = 0UL; i < count; i++)
        {
            var x = Stream.Normal(i);
            for (var p = 1; p <= 4; p++) powers[p] += Math.Pow(x, p) / count;
        }
        Assert.InRange(powers[1], -0.012, 0.012);
        Assert.InRange(powers[2], 0.985, 1.015);
        Assert.InRange(powers[3], -0.05, 0.05);
        Assert.InRange(powers[4], 2.9, 3.1);
    }

    [Fact]
    public void Whole_numbers_are_in_range_and_even()
    {
        const int count = 70_000;
        var seen = new int[7];
        for (var i = 0UL; i < count; i++) seen[Stream.Below(7, i)]++;
        Assert.True(ChiSquare(seen, count / 7.0) < 22.5);   // 6 degrees of freedom, once in a thousand
        Assert.Equal(0, Stream.Below(1, 3));
        Assert.InRange(Stream.Below(int.MaxValue, 3), 0, int.MaxValue - 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => Stream.Below(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Stream.Below(5, 1UL << 40));
    }

    [Fact]
    public void Shuffling_permutes_and_every_order_is_equally_likely()
    {
        var orders = new Dictionary<string, int>();
        for (var i = 0UL; i < 24_000; i++)
        {
            int[] values = [0, 1, 2, 3];
            new RandomStream(99, RandomPurpose.Test, i).Shuffle(values);
            var order = string.Concat(values);
            orders[order] = orders.GetValueOrDefault(order) + 1;
        }
        Assert.Equal(24, orders.Count);
        Assert.True(ChiSquare([.. orders.Values], 1000) < 49.7);   // 23 degrees of freedom, once in a thousand
    }

    [Fact]
    public void A_range_can_be_drawn_in_pieces()
    {
        var whole = new float[37];
        var pieces = new float[37];
        Stream.FillNormal(whole, 1, 2);
        Stream.FillNormal(pieces.AsSpan(0, 13), 1, 2);
        Stream.FillNormal(pieces.AsSpan(13), 1, 2, start: 13);
        Assert.Equal(whole, pieces);
        Stream.FillUniform(whole, -1, 1);
        Stream.FillUniform(pieces.AsSpan(0, 6), -1, 1);
        Stream.FillUniform(pieces.AsSpan(6), -1, 1, start: 6);
        Assert.Equal(whole, pieces);
        Assert.All(whole, x => Assert.InRange(x, -1f, 1f));
    }

    [Fact]
    public void Drawing_allocates_nothing()
    {
        var values = new float[256];
        var indices = Enumerable.Range(0, 256).ToArray();
        Stream.FillNormal(values);
        Stream.Shuffle(indices);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Stream.FillNormal(values);
        Stream.Shuffle(indices);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static double ChiSquare(int[] seen, double expected) =>
        seen.Sum(n => (n - expected) * (n - expected) / expected);
}
