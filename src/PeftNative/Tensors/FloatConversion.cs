using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PeftNative.Tensors;

/// <summary>
/// Conversions between stored float types and singles, vectorised; source and destination must have the same length.
/// Narrowing rounds to nearest, ties to even, overflow goes to infinity and every NaN stays a NaN; widening is exact.
/// Thread-safe.
/// </summary>
public static class FloatConversion
{
    private const uint SignBit = 0x8000_0000, Infinity = 0x7F80_0000;

    /// <summary>Widens bfloat16 to single.</summary>
    public static void ToSingle(ReadOnlySpan<BFloat16> source, Span<float> destination)
    {
        CheckLengths(source.Length, destination.Length);
        var bits = MemoryMarshal.Cast<BFloat16, ushort>(source);
        var i = 0;
        for (; i <= bits.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            var (lower, upper) = Vector256.Widen(Vector256.Create(bits[i..]));
            (lower << 16).AsSingle().CopyTo(destination[i..]);
            (upper << 16).AsSingle().CopyTo(destination[(i + Vector256<float>.Count)..]);
        }
        for (; i < bits.Length; i++) destination[i] = (float)source[i];
    }

    /// <summary>Widens half precision to single.</summary>
    public static void ToSingle(ReadOnlySpan<Half> source, Span<float> destination)
    {
        CheckLengths(source.Length, destination.Length);
        var bits = MemoryMarshal.Cast<Half, ushort>(source);
        var i = 0;
        for (; i <= bits.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            var (lower, upper) = Vector256.Widen(Vector256.Create(bits[i..]));
            HalfBitsToSingle(lower).CopyTo(destination[i..]);
            HalfBitsToSingle(upper).CopyTo(destination[(i + Vector256<float>.Count)..]);
        }
        for (; i < bits.Length; i++) destination[i] = (float)source[i];
    }

    /// <summary>Rounds double to single.</summary>
    public static void ToSingle(ReadOnlySpan<double> source, Span<float> destination)
    {
        CheckLengths(source.Length, destination.Length);
        for (var i = 0; i < source.Length; i++) destination[i] = (float)source[i];
    }

    /// <summary>Rounds single to bfloat16.</summary>
    public static void FromSingle(ReadOnlySpan<float> source, Span<BFloat16> destination)
    {
        CheckLengths(source.Length, destination.Length);
        var bits = MemoryMarshal.Cast<BFloat16, ushort>(destination);
        var i = 0;
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
            Vector256.Narrow(ToBFloat16Bits(Vector256.Create(source[i..])),
                ToBFloat16Bits(Vector256.Create(source[(i + Vector256<float>.Count)..]))).CopyTo(bits[i..]);
        for (; i < source.Length; i++) destination[i] = (BFloat16)source[i];
    }

    /// <summary>Rounds single to half precision.</summary>
    public static void FromSingle(ReadOnlySpan<float> source, Span<Half> destination)
    {
        CheckLengths(source.Length, destination.Length);
        var bits = MemoryMarshal.Cast<Half, ushort>(destination);
        var i = 0;
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
            Vector256.Narrow(ToHalfBits(Vector256.Create(source[i..])),
                ToHalfBits(Vector256.Create(source[(i + Vector256<float>.Count)..]))).CopyTo(bits[i..]);
        for (; i < source.Length; i++) destination[i] = (Half)source[i];
    }

    /// <summary>Widens single to double.</summary>
    public static void FromSingle(ReadOnlySpan<float> source, Span<double> destination)
    {
        CheckLengths(source.Length, destination.Length);
        for (var i = 0; i < source.Length; i++) destination[i] = source[i];
    }

    private static Vector256<uint> ToBFloat16Bits(Vector256<float> value)
    {
        var bits = value.AsUInt32();
        var rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
        var nan = (bits >> 16) | Vector256.Create(0x0040u);
        return Vector256.ConditionalSelect(Vector256.IsNaN(value).AsUInt32(), nan, rounded);
    }

    // The half's exponent and mantissa, moved to a single's place, are the value times 2^-112, subnormals included.
    private static Vector256<float> HalfBitsToSingle(Vector256<uint> half)
    {
        var magnitude = (half & Vector256.Create(0x7FFFu)) << 13;
        var scaled = (magnitude.AsSingle() * Vector256.Create(5.192296858534828e33f)).AsUInt32();
        var special = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(0x7C00u << 13));
        var value = Vector256.ConditionalSelect(special, magnitude | Vector256.Create(Infinity), scaled);
        return (value | ((half & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    private static Vector256<uint> ToHalfBits(Vector256<float> value)
    {
        var magnitude = value.AsUInt32() & Vector256.Create(~SignBit);
        // Normal: round the 13 dropped bits to even, move the exponent's zero from 127 to 15; too large is infinity.
        var rounded = (magnitude + Vector256.Create(0x0FFFu) + ((magnitude >> 13) & Vector256<uint>.One)
            - Vector256.Create(112u << 23)) >> 13;
        var normal = Vector256.Min(rounded, Vector256.Create(0x7C00u));
        // Subnormal: next to 0.5 the last bit of a single weighs 2^-24, so the addition itself rounds.
        var half = Vector256.Create(0.5f);
        var subnormal = (magnitude.AsSingle() + half).AsUInt32() - half.AsUInt32();
        var small = Vector256.LessThan(magnitude, Vector256.Create(113u << 23));
        var finite = Vector256.ConditionalSelect(small, subnormal, normal);
        var result = Vector256.ConditionalSelect(Vector256.IsNaN(value).AsUInt32(), Vector256.Create(0x7E00u), finite);
        return result | ((value.AsUInt32() & Vector256.Create(SignBit)) >> 16);
    }

    private static void CheckLengths(int source, int destination)
    {
        if (source != destination)
            throw new ArgumentException($"The lengths differ: {source} values into {destination}.",
                nameof(destination));
    }
}
