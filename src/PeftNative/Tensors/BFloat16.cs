using System.Globalization;

namespace PeftNative.Tensors;

/// <summary>
/// The 16-bit float with the exponent of a single: a storage type. Conversion from a single rounds to nearest, ties to
/// even; every NaN stays a NaN; the conversion back is exact.
/// </summary>
public readonly struct BFloat16 : IEquatable<BFloat16>
{
    private BFloat16(ushort bits) => Bits = bits;

    /// <summary>The stored bits: the upper half of the equal single.</summary>
    public ushort Bits { get; }

    /// <summary>The value with the given bits.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>Rounds a single to the nearest value, ties to even.</summary>
    public static explicit operator BFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        // A NaN whose payload sits in the lower half would round to infinity; set the quiet bit instead.
        if (float.IsNaN(value)) return new((ushort)((bits >> 16) | 0x0040));
        return new((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>The same value as a single; exact.</summary>
    public static explicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    /// <summary>Equal as numbers: zeros of both signs are equal, NaN equals nothing.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => (float)left == (float)right;

    /// <summary>Not equal as numbers.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => !(left == right);

    /// <summary>Equal in the sense of <see cref="float.Equals(float)"/>: NaN equals NaN.</summary>
    public bool Equals(BFloat16 other) => ((float)this).Equals((float)other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <summary>The value in invariant notation.</summary>
    public override string ToString() => ((float)this).ToString(CultureInfo.InvariantCulture);
}
