using ILGPU;

namespace PeftNative.Ilgpu.Kernels.Common;

/// <summary>
/// Elementary functions in single precision, to a few units in the last place, from additions, products and quotients
/// alone: the same formula on every accelerator, where the devices' own functions differ (and some trade digits for
/// speed).
/// </summary>
internal static class Mathematics
{
    // their sum is ln 2; products with the first are exact
    private const float Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f;
    private const float Log2E = 1.44269504f;

    /// <summary>eˣ = 2ⁿ eʳ with |r| ≤ ln 2 / 2, eʳ by its Taylor series up to r⁷.</summary>
    public static float Exp(float x)
    {
        if (x < -104f) return 0f;
        if (x > 88.8f) return float.PositiveInfinity;
        if (!(x >= -104f)) return x; // NaN
        var n = (int)(x * Log2E + (x < 0 ? -0.5f : 0.5f));
        var r = x - n * Ln2High - n * Ln2Low;
        var p = 1f + r
            * (1f + r * (1f / 2 + r * (1f / 6 + r * (1f / 24 + r * (1f / 120 + r * (1f / 720 + r * (1f / 5040)))))));
        var half = n / 2; // in two steps, so that neither power leaves the normal numbers
        return p * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    /// <summary>ln x for positive normal x: x = 2ⁿ m with m around 1.</summary>
    public static float Log(float x)
    {
        if (x == float.PositiveInfinity) return x;
        var bits = (int)Interop.FloatAsInt(x);
        var n = (bits >> 23) - 127;
        var m = Interop.IntAsFloat((uint)((bits & 0x7FFFFF) | 0x3F800000));
        if (m > 1.41421356f)
        {
            m *= 0.5f;
            n++;
        }
        return n * Ln2High + (n * Ln2Low + Log1P(m - 1));
    }

    /// <summary>ln(1 + y) for y in [-0.3, 1], by 2 artanh(y / (2 + y)).</summary>
    public static float Log1P(float y)
    {
        var f = y / (2 + y);
        var s = f * f;
        return 2 * f * (1f + s
            * (1f / 3 + s * (1f / 5 + s * (1f / 7 + s * (1f / 9 + s * (1f / 11 + s * (1f / 13 + s * (1f / 15))))))));
    }

    /// <summary>
    /// tanh x; near zero by its continued fraction (DLMF 4.39.1), which keeps the relative precision.
    /// </summary>
    public static float Tanh(float x)
    {
        var size = x < 0 ? -x : x;
        if (size < 0.6f)
        {
            var s = x * x;
            return x / (1 + s / (3 + s / (5 + s / (7 + s / 9))));
        }
        var t = 1 - 2 / (Exp(2 * size) + 1);
        return x < 0 ? -t : t;
    }

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public static float Sigmoid(float x) => 1 / (1 + Exp(-x));

    /// <summary>
    /// Φ(x) = erfc(-x / √2) / 2. For z ≥ 0, erfc(z) = e^(-z²) t P(t) with t = 1 / (1 + z/2); P interpolates at
    /// Chebyshev nodes of 2t - 1 (largest relative error 1.2e-8).
    /// </summary>
    public static float NormalCdf(float x)
    {
        var z = (x < 0 ? -x : x) * 0.707106781f;
        var t = 1 / (1 + 0.5f * z);
        var u = 2 * t - 1;
        var p = 0.510791357f + u * (0.343580319f + u * (0.139735734f + u * (0.0182216694f + u * (-0.0107516262f
            + u * (-0.00324345192f + u * (0.00152915718f + u * (0.000430670494f + u * (-0.000299382729f
            + u * (-3.6601879e-05f + u * 4.21612041e-05f)))))))));
        var tail = 0.5f * Exp(-z * z) * t * p;
        return x < 0 ? tail : 1 - tail;
    }

    /// <summary>φ(x) = e^(-x²/2) / √(2π).</summary>
    public static float NormalDensity(float x) => Exp(-0.5f * x * x) * 0.398942280f;

    /// <summary>cap · tanh(x / cap), or x without a cap.</summary>
    public static float Cap(float x, float cap) => cap > 0 ? cap * Tanh(x / cap) : x;

    /// <summary>The derivative of <see cref="Cap"/>, from its result.</summary>
    public static float CapSlope(float capped, float cap) => cap > 0 ? 1 - capped / cap * (capped / cap) : 1;

    private static float PowerOfTwo(int n) => Interop.IntAsFloat((uint)((n + 127) << 23));
}
