using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Tensors;

public class FloatConversionTests
{
    private static readonly uint[] Edges =
    [
        0, 1, 0x0000_8000, 0x007F_FFFF, 0x0080_0000, 0x3300_0000, 0x3300_0001, 0x32FF_FFFF, 0x387F_C000, 0x387F_E000,
        0x387F_DFFF,
        0x3880_0000, 0x3F80_0000, 0x3F80_1000, 0x3F80_1001, 0x3F80_3000, 0x3F80_8000, 0x3F81_8000, 0x3F80_8001,
        0x477F_E000,
        0x477F_EFFF, 0x477F_F000, 0x4780_0000, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001, 0x7FC0_0000, 0x7FFF_FFFF,
    ];

    // Every exponent with random mantissas, ties and their neighbours at both cuts, and the edges; each with both
    // signs.
    private static float[] Samples()
    {
        var random = new Random(11);
        var bits = new List<uint>(Edges);
        for (uint exponent = 0; exponent < 256; exponent++)
            for (var i = 0; i < 60; i++)
            {
                var value = (exponent << 23) | (uint)random.Next(1 << 23);
                var tie = (value & ~0x1FFFu) | 0x1000;
                var wideTie = (value & ~0xFFFFu) | 0x8000;
                bits.AddRange([value, tie - 1, tie, tie + 1, wideTie - 1, wideTie, wideTie + 1]);
            }
        return [.. bits.SelectMany(b => new[] { b, b | 0x8000_0000 }).Select(BitConverter.UInt32BitsToSingle)];
    }

    [Fact]
    public void Half_precision_agrees_with_the_runtime_on_every_value_and_every_rounding()
    {
        var halves = Enumerable.Range(0, 65536).Select(i => BitConverter.UInt16BitsToHalf((ushort)i)).ToArray();
        var widened = new float[halves.Length];
        FloatConversion.ToSingle(halves, widened);
        foreach (var (half, single) in halves.Zip(widened)) Same((float)half, single);

        var samples = Samples();
        var narrowed = new Half[samples.Length];
        FloatConversion.FromSingle(samples, narrowed);
        foreach (var (single, half) in samples.Zip(narrowed))
            if (float.IsNaN(single)) Assert.True(Half.IsNaN(half));
            else Assert.Equal(BitConverter.HalfToUInt16Bits((Half)single), BitConverter.HalfToUInt16Bits(half));
    }

    [Fact]
    public void BFloat16_rounds_to_the_nearest_value_ties_to_even()
    {
        var all = Enumerable.Range(0, 65536).Select(i => BFloat16.FromBits((ushort)i)).ToArray();
        var widened = new float[all.Length];
        FloatConversion.ToSingle(all, widened);
        foreach (var (value, single) in all.Zip(widened))
        {
            Same((float)value, single);
            Assert.Equal((uint)value.Bits << 16, BitConverter.SingleToUInt32Bits(single));
        }
        var samples = Samples();
        var narrowed = new BFloat16[samples.Length];
        FloatConversion.FromSingle(samples, narrowed);
        foreach (var (single, value) in samples.Zip(narrowed))
        {
            Assert.Equal(((BFloat16)single).Bits, value.Bits);
            Assert.Equal(float.IsNaN(single), float.IsNaN((float)value));
            if (!float.IsNaN(single)) Assert.Equal(NearestByDistance(single), value.Bits);
        }
    }

    // Independent of the trick used: among the two neighbours take the nearer one, else the even one.
    private static ushort NearestByDistance(float value)
    {
        if (float.IsInfinity(value)) return (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        var lower = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        var below = Math.Abs((double)value - (float)BFloat16.FromBits(lower));
        var next = (float)BFloat16.FromBits((ushort)(lower + 1));
        var upper = float.IsInfinity(next) ? Math.ScaleB(1, 128) : Math.Abs((double)next);
        var above = upper - Math.Abs((double)value);
        return below < above || (below == above && lower % 2 == 0) ? lower : (ushort)(lower + 1);
    }

    [Fact]
    public void Doubles_and_odd_lengths_convert()
    {
        foreach (var length in Enumerable.Range(0, 40))
        {
            var values = Enumerable.Range(0, length).Select(i => i - 7.5f).ToArray();
            var (doubles, halves, brains, back) = (new double[length], new Half[length], new BFloat16[length],
                new float[length]);
            FloatConversion.FromSingle(values, doubles);
            FloatConversion.ToSingle(doubles, back);
            Assert.Equal(values, back);
            FloatConversion.FromSingle(values, halves);
            FloatConversion.ToSingle(halves, back);
            Assert.Equal(values, back);
            FloatConversion.FromSingle(values, brains);
            FloatConversion.ToSingle(brains, back);
            Assert.Equal(values, back);
        }
        Assert.Throws<ArgumentException>(() => FloatConversion.ToSingle(new double[2], new float[1]));
    }

    [Fact]
    public void BFloat16_compares_as_a_number()
    {
        var (zero, negativeZero, nan) = (BFloat16.FromBits(0), BFloat16.FromBits(0x8000), (BFloat16)float.NaN);
        Assert.True(zero == negativeZero);
        Assert.True(nan != nan.Self());
        Assert.True(nan.Equals((object)nan));
        Assert.Equal("1.5", ((BFloat16)1.5f).ToString());
    }

    private static void Same(float expected, float actual)
    {
        if (float.IsNaN(expected)) Assert.True(float.IsNaN(actual));
        else Assert.Equal(BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(actual));
    }
}

internal static class BFloat16Extensions
{
    /// <summary>The same value, hidden from the compiler's warning about comparing a variable to itself.</summary>
    public static BFloat16 Self(this BFloat16 value) => value;
}
