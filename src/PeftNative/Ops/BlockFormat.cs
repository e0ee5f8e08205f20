namespace PeftNative.Ops;

/// <summary>
/// Layouts of blocks that hold codes and scales side by side, as files keep them (ggml's); the numbers are those of
/// the files. A row is whole blocks, one after the other.
/// </summary>
public enum BlockFormat
{
    /// <summary>Codes and scales lie apart.</summary>
    None = 0,

    /// <summary>32 values in 18 bytes: d · (q - 8).</summary>
    Q4_0 = 2,

    /// <summary>32 values in 20 bytes: d · q + m.</summary>
    Q4_1 = 3,

    /// <summary>32 values in 22 bytes: d · (q - 16).</summary>
    Q5_0 = 6,

    /// <summary>32 values in 24 bytes: d · q + m.</summary>
    Q5_1 = 7,

    /// <summary>32 values in 34 bytes: d · q.</summary>
    Q8_0 = 8,

    /// <summary>256 values in 84 bytes, 2 bits each and scales and minima of 4 bits per 16.</summary>
    Q2_K = 10,

    /// <summary>256 values in 110 bytes, 3 bits each and scales of 6 bits per 16.</summary>
    Q3_K = 11,

    /// <summary>256 values in 144 bytes, 4 bits each and scales and minima of 6 bits per 32.</summary>
    Q4_K = 12,

    /// <summary>256 values in 176 bytes, 5 bits each and scales and minima of 6 bits per 32.</summary>
    Q5_K = 13,

    /// <summary>256 values in 210 bytes, 6 bits each and scales of 8 bits per 16.</summary>
    Q6_K = 14,

    /// <summary>32 values in 18 bytes: d times one of 16 values.</summary>
    Iq4Nl = 20,

    /// <summary>256 values in 136 bytes: the same with scales of 6 bits per 32.</summary>
    Iq4Xs = 23,

    /// <summary>32 values in 17 bytes: a power of two times a float of 4 bits.</summary>
    Mxfp4 = 39,
}

/// <summary>Sizes of <see cref="BlockFormat"/>.</summary>
public static class BlockFormats
{
    /// <summary>What files of ggml call it.</summary>
    internal static string Name(this BlockFormat format) => format switch
    {
        BlockFormat.Iq4Nl => "IQ4_NL",
        BlockFormat.Iq4Xs => "IQ4_XS",
        BlockFormat.Mxfp4 => "MXFP4",
        _ => format.ToString(),
    };

    /// <summary>Elements of a block; 0 for <see cref="BlockFormat.None"/>.</summary>
    public static int Elements(this BlockFormat format) => format switch
    {
        BlockFormat.None => 0,
        BlockFormat.Q2_K or BlockFormat.Q3_K or BlockFormat.Q4_K or BlockFormat.Q5_K or BlockFormat.Q6_K
            or BlockFormat.Iq4Xs => 256,
        _ => 32,
    };

    /// <summary>Bytes of a block; 0 for <see cref="BlockFormat.None"/>.</summary>
    public static int Bytes(this BlockFormat format) => format switch
    {
        BlockFormat.Q4_0 or BlockFormat.Iq4Nl => 18,
        BlockFormat.Q4_1 => 20,
        BlockFormat.Q5_0 => 22,
        BlockFormat.Q5_1 => 24,
        BlockFormat.Q8_0 => 34,
        BlockFormat.Q2_K => 84,
        BlockFormat.Q3_K => 110,
        BlockFormat.Q4_K => 144,
        BlockFormat.Q5_K => 176,
        BlockFormat.Q6_K => 210,
        BlockFormat.Iq4Xs => 136,
        BlockFormat.Mxfp4 => 17,
        _ => 0,
    };
}
