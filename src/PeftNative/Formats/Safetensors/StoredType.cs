using System.Collections.Frozen;
using PeftNative.Tensors;

namespace PeftNative.Formats.Safetensors;

/// <summary>
/// The element types of a safetensors file, in the format's own order: writers place tensors of later members first.
/// <c>F6</c> and <c>F4</c> are narrower than a byte; see <see cref="StoredTypes.Bits"/>.
/// </summary>
public enum StoredType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,
    /// <summary>4-bit float (2 exponent bits, 1 mantissa bit).</summary>
    F4,
    /// <summary>6-bit float, 2 exponent bits.</summary>
    F6E2M3,
    /// <summary>6-bit float, 3 exponent bits.</summary>
    F6E3M2,
    /// <summary>Unsigned byte.</summary>
    U8,
    /// <summary>Signed byte.</summary>
    I8,
    /// <summary>8-bit float, 5 exponent bits.</summary>
    F8E5M2,
    /// <summary>8-bit float, 4 exponent bits.</summary>
    F8E4M3,
    /// <summary>8-bit power of two (scale factors).</summary>
    F8E8M0,
    /// <summary>8-bit float, 4 exponent bits, no negative zero.</summary>
    F8E4M3Fnuz,
    /// <summary>8-bit float, 5 exponent bits, no negative zero.</summary>
    F8E5M2Fnuz,
    /// <summary>16-bit signed integer.</summary>
    I16,
    /// <summary>16-bit unsigned integer.</summary>
    U16,
    /// <summary>IEEE half precision.</summary>
    F16,
    /// <summary>The upper half of an IEEE single; see <see cref="BFloat16"/>.</summary>
    BF16,
    /// <summary>32-bit signed integer.</summary>
    I32,
    /// <summary>32-bit unsigned integer.</summary>
    U32,
    /// <summary>IEEE single precision.</summary>
    F32,
    /// <summary>Complex number of two singles.</summary>
    C64,
    /// <summary>IEEE double precision.</summary>
    F64,
    /// <summary>64-bit signed integer.</summary>
    I64,
    /// <summary>64-bit unsigned integer.</summary>
    U64,
}

/// <summary>Sizes and spellings of <see cref="StoredType"/>.</summary>
internal static class StoredTypes
{
    private static readonly string[] Names =
    [
        "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
        "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64",
    ];

    private static readonly FrozenDictionary<string, StoredType> ByName =
        Names.Select((name, i) => (name, (StoredType)i)).ToFrozenDictionary(p => p.name, p => p.Item2);

    /// <summary>The size of one element in bits.</summary>
    public static int Bits(this StoredType type) => type switch
    {
        StoredType.F4 => 4,
        StoredType.F6E2M3 or StoredType.F6E3M2 => 6,
        <= StoredType.F8E5M2Fnuz => 8,
        <= StoredType.BF16 => 16,
        <= StoredType.F32 => 32,
        _ => 64,
    };

    /// <summary>The spelling in a safetensors header, such as <c>F8_E4M3</c>.</summary>
    public static string Name(this StoredType type) => Names[(int)type];

    /// <summary>Finds the type of a header's spelling; false for an unknown one.</summary>
    public static bool TryParse(string name, out StoredType type) => ByName.TryGetValue(name, out type);

    /// <summary>
    /// The bytes that <paramref name="shape"/> elements take. False where the product overflows 63 bits or where
    /// elements narrower than a byte do not end on one.
    /// </summary>
    public static bool TryByteLength(this StoredType type, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        Int128 count = 1;
        foreach (var dimension in shape)
        {
            count *= dimension;
            if (dimension < 0 || count > long.MaxValue) return false;
        }
        var bits = count * type.Bits();
        if (bits > long.MaxValue || bits % 8 != 0) return false;
        bytes = (long)(bits / 8);
        return true;
    }
}
