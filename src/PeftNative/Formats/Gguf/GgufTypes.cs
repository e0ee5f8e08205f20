using PeftNative.Formats.Safetensors;
using PeftNative.Ops;

namespace PeftNative.Formats.Gguf;

/// <summary>The kinds of a GGUF file's values, by their numbers in it.</summary>
internal enum GgufKind
{
    UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
}

/// <summary>The types of a GGUF file's tensors.</summary>
internal static class GgufTypes
{
    // By number; those that no file has any more, or never had, are null.
    private static readonly string?[] Names =
    [
        "F32", "F16", "Q4_0", "Q4_1", null, null, "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
        "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16",
        "I32", "I64", "F64", "IQ1_M", "BF16", null, null, null, "TQ1_0", "TQ2_0", null, null, null, "MXFP4",
    ];

    /// <summary>What a type is called, or its number.</summary>
    internal static string Name(uint type) => type < Names.Length && Names[type] is { } name ? name : $"number {type}";

    /// <summary>A type that is read: plain elements, or blocks of bytes; false for another.</summary>
    internal static bool TryFind(uint type, out StoredType plain, out BlockFormat block)
    {
        (StoredType? found, block) = (type switch
        {
            0 => StoredType.F32, 1 => StoredType.F16, 24 => StoredType.I8, 25 => StoredType.I16, 26 => StoredType.I32,
            27 => StoredType.I64, 28 => StoredType.F64, 30 => StoredType.BF16,
            _ => null,
        }, BlockFormat.None);
        if (found is null && Enum.IsDefined((BlockFormat)type)) (found, block) = (StoredType.U8, (BlockFormat)type);
        plain = found ?? default;
        return found is not null;
    }
}
