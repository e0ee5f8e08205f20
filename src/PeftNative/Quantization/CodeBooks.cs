namespace PeftNative.Quantization;

/// <summary>The values that codes stand for, relative to the maximum of their block.</summary>
internal static class CodeBooks
{
    /// <summary>
    /// NF4, ascending, with an exact zero: table of appendix E of arXiv:2305.14314, in single precision.
    /// </summary>
    internal static ReadOnlySpan<float> Nf4 =>
    [
        -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1,
    ];

    /// <summary>FP4 by code: the sign in bit 3, then twelfths of 0, 1/16, 8, 12, 4, 6, 2, 3.</summary>
    internal static ReadOnlySpan<float> Fp4 =>
    [
        0, 0.0625f / 12, 8f / 12, 1, 4f / 12, 0.5f, 2f / 12, 0.25f,
        -0f, -0.0625f / 12, -8f / 12, -1, -4f / 12, -0.5f, -2f / 12, -0.25f,
    ];

    /// <summary>
    /// The dynamic map of 8 bits (Dettmers 2015, arXiv:1511.04561; as in arXiv:2110.02861): for each of seven powers of
    /// ten from 10⁻⁶ to 1, twice as many values as for the last, in the middles of equal parts of [0.1, 1], with both
    /// signs; and 0 and 1. Ascending, in single precision throughout, so that it equals the one of bitsandbytes bit for
    /// bit.
    /// </summary>
    internal static float[] DynamicMap { get; } = MakeDynamicMap();

    /// <summary>
    /// 8-bit floats with 4 bits of exponent, without infinities (Micikevicius et al. 2022, arXiv:2209.05433).
    /// </summary>
    internal static float[] Float8 { get; } = [.. Enumerable.Range(0, 256).Select(E4M3)];

    /// <summary>4-bit floats with 2 bits of exponent, as the OCP's microscaling formats have them.</summary>
    internal static float[] Float4 { get; } =
        [0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6];

    /// <summary>Powers of two by their exponent plus 127; 255 is not a number.</summary>
    internal static float[] Powers { get; } =
        [.. Enumerable.Range(0, 256).Select(e => e == 255 ? float.NaN : MathF.ScaleB(1, e - 127))];

    /// <summary>Whole numbers of so many bits, from <paramref name="first"/> on.</summary>
    internal static float[] Integers(int bits, int first = 0) =>
        [.. Enumerable.Range(first, 1 << bits).Select(i => (float)i)];

    private static float E4M3(int code)
    {
        var (exponent, fraction) = (code >> 3 & 15, code & 7);
        var size = (exponent, fraction) is (15, 7) ? float.NaN
            : exponent == 0 ? MathF.ScaleB(fraction, -9) : MathF.ScaleB(8 + fraction, exponent - 10);
        return code < 128 ? size : -size;
    }

    private static float[] MakeDynamicMap()
    {
        const int Powers = 7;
        var values = new List<float> { 0, 1 };
        for (var i = 0; i < Powers; i++)
        {
            var scale = (float)Math.Pow(10, i - (Powers - 1));
            var parts = 1 << i;
            for (var k = 0; k < parts; k++)
            {
                var middle = (Border(k, parts) + Border(k + 1, parts)) / 2;
                values.Add(scale * middle);
                values.Add(-(scale * middle));
            }
        }
        values.Sort();
        return [.. values];
    }

    // Counted from the nearer end, as torch.linspace does; the product and the sum are rounded once.
    private static float Border(int k, int parts)
    {
        var step = (1 - 0.1f) / parts;
        return k < (parts + 1) / 2 ? (float)(0.1f + ((double)step * k)) : (float)(1 - ((double)step * (parts - k)));
    }
}
