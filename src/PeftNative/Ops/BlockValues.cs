namespace PeftNative.Ops;

/// <summary>The bytes of a row of blocks, wherever they lie. Only read, so thread-safe.</summary>
public interface IByteRow
{
    /// <summary>A byte, from 0 to 255.</summary>
    int At(int index);
}

/// <summary>
/// The numbers that <see cref="BlockFormat"/>s hold. Every one is rounded once, as ggml's own are: the products of its
/// parts are exact in single precision but for the last step. Written so that it runs as a kernel too. Thread-safe.
/// </summary>
public static class BlockValues
{
    /// <summary>Element <paramref name="i"/> of the block at byte <paramref name="at"/> of a row.</summary>
    public static float Value<T>(T row, BlockFormat format, int at, int i)
        where T : struct, IByteRow
    {
        switch (format)
        {
            case BlockFormat.Q4_0: return Half(row, at) * (InHalves(row, at + 2, i) - 8);
            case BlockFormat.Q4_1: return Half(row, at) * InHalves(row, at + 4, i) + Half(row, at + 2);
            case BlockFormat.Q5_0:
                return Half(row, at) * ((InHalves(row, at + 6, i) | Fifth(row, at + 2, i)) - 16);
            case BlockFormat.Q5_1:
                return Half(row, at) * (InHalves(row, at + 8, i) | Fifth(row, at + 4, i)) + Half(row, at + 2);
            case BlockFormat.Q8_0: return Half(row, at) * Signed(row.At(at + 2 + i));
            case BlockFormat.Iq4Nl: return Half(row, at) * Nonlinear(InHalves(row, at + 2, i));
            case BlockFormat.Mxfp4: return Mxfp4(row, at, i);
            case BlockFormat.Q2_K: return Q2(row, at, i);
            case BlockFormat.Q3_K: return Q3(row, at, i);
            case BlockFormat.Q4_K: return Q45(row, at, i, at + 16, 0);
            case BlockFormat.Q5_K: return Q45(row, at, i, at + 48, 1);
            case BlockFormat.Q6_K: return Q6(row, at, i);
            default: return Iq4Xs(row, at, i);
        }
    }

    private static int Signed(int value) => value < 128 ? value : value - 256;

    // A float of 16 bits; made by products, because kernels have no casts of bits.
    private static float Half<T>(T row, int at)
        where T : struct, IByteRow
    {
        var (bits, exponent) = (row.At(at) | row.At(at + 1) << 8, (row.At(at + 1) >> 2) & 31);
        var fraction = (float)(bits & 1023);
        if (exponent == 31) fraction = fraction == 0 ? float.PositiveInfinity : float.NaN;
        const float Least = 1f / (1 << 24); // of the subnormal ones
        var size = exponent == 0 ? fraction * Least : (fraction + 1024) * (1 << (exponent - 1)) * Least;
        return bits >= 0x8000 ? -size : size;
    }

    // Codes 0 to 15 lie in the lower halves of 16 bytes, 16 to 31 in the upper ones.
    private static int InHalves<T>(T row, int at, int i)
        where T : struct, IByteRow => i < 16 ? row.At(at + i) & 15 : row.At(at + i - 16) >> 4;

    private static int Fifth<T>(T row, int at, int i)
        where T : struct, IByteRow => (row.At(at + i / 8) >> i % 8 & 1) << 4;

    private static int Nonlinear(int q) =>
        (int)((q < 8 ? 0x766A5D4F3F2D1801UL : 0xF1D9C5B5A6998D81UL) >> q % 8 * 8 & 255) - 128;

    private static float Mxfp4<T>(T row, int at, int i)
        where T : struct, IByteRow
    {
        var (q, exponent) = (InHalves(row, at + 1, i), row.At(at));
        if (exponent == 255) return float.NaN;
        float size = (int)(0xC8643210u >> q % 8 * 4 & 15);
        // 2^(exponent - 128) in steps that hold exactly; the smallest results are subnormal.
        for (exponent -= 128; exponent > 0; exponent--) size *= 2;
        for (; exponent < 0; exponent++) size *= 0.5f;
        return q < 8 ? size : -size;
    }

    private static float Q2<T>(T row, int at, int i)
        where T : struct, IByteRow
    {
        var (part, k, l, s) = (i / 128, i % 128 / 32, i % 32, row.At(at + i / 16));
        var q = row.At(at + 16 + 32 * part + l) >> 2 * k & 3;
        return Half(row, at + 80) * (s & 15) * q - Half(row, at + 82) * (s >> 4);
    }

    private static float Q3<T>(T row, int at, int i)
        where T : struct, IByteRow
    {
        var (part, k, l, n, s) = (i / 128, i % 128 / 32, i % 32, i / 16, at + 96);
        var q = (row.At(at + 32 + 32 * part + l) >> 2 * k & 3) - ((row.At(at + l) >> 4 * part + k & 1) != 0 ? 0 : 4);
        var low = n < 8 ? row.At(s + n) & 15 : row.At(s + n - 8) >> 4;
        var scale = (low | (row.At(s + 8 + n % 4) >> n / 4 * 2 & 3) << 4) - 32;
        return Half(row, at + 108) * scale * q;
    }

    private static float Q45<T>(T row, int at, int i, int codes, int fifth)
        where T : struct, IByteRow
    {
        var (j, l, b) = (i / 32, i % 32, at + 4);
        var q = row.At(codes + 32 * (j / 2) + l) >> j % 2 * 4 & 15;
        if (fifth != 0) q |= (row.At(at + 16 + l) >> j & 1) << 4;
        var scale = j < 4 ? row.At(b + j) & 63 : row.At(b + j + 4) & 15 | row.At(b + j - 4) >> 6 << 4;
        var minimum = j < 4 ? row.At(b + j + 4) & 63 : row.At(b + j + 4) >> 4 | row.At(b + j) >> 6 << 4;
        return Half(row, at) * scale * q - Half(row, at + 2) * minimum;
    }

    private static float Q6<T>(T row, int at, int i)
        where T : struct, IByteRow
    {
        var (part, k, l) = (i / 128, i % 128 / 32, i % 32);
        var low = row.At(at + 64 * part + 32 * (k % 2) + l) >> k / 2 * 4 & 15;
        var high = row.At(at + 128 + 32 * part + l) >> 2 * k & 3;
        return Half(row, at + 208) * Signed(row.At(at + 192 + i / 16)) * ((low | high << 4) - 32);
    }

    private static float Iq4Xs<T>(T row, int at, int i)
        where T : struct, IByteRow
    {
        var j = i / 32;
        var high = (row.At(at + 2) | row.At(at + 3) << 8) >> 2 * j & 3;
        var scale = (row.At(at + 4 + j / 2) >> j % 2 * 4 & 15 | high << 4) - 32;
        return Half(row, at) * scale * Nonlinear(InHalves(row, at + 8 + 16 * j, i % 32));
    }
}
