namespace PeftNative.Tensors;

/// <summary>
/// The element types the engine computes with. The numbers are part of the native ABI (<c>pn_type</c> in
/// native/cpu/peftnative.h).
/// </summary>
public enum DType
{
    /// <summary>IEEE binary32.</summary>
    Float32 = 0,

    /// <summary>IEEE binary64; the oracle of gradient checks.</summary>
    Float64 = 1,

    /// <summary>The upper half of a binary32.</summary>
    BFloat16 = 2,

    /// <summary>IEEE binary16.</summary>
    Float16 = 3,

    /// <summary>32-bit signed integer: token ids, positions, row numbers, segments.</summary>
    Int32 = 4,

    /// <summary>8-bit signed integer: codes of a quantised weight that products are made of.</summary>
    Int8 = 5,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    /// <summary>Bytes per element.</summary>
    public static int Size(this DType type) => type switch
    {
        DType.Float64 => 8,
        DType.Float32 or DType.Int32 => 4,
        DType.Int8 => 1,
        _ => 2,
    };

    /// <summary>The name used on the command line and in messages: fp32, fp64, bf16, fp16, int8, int32.</summary>
    public static string Name(this DType type) => type switch
    {
        DType.Float32 => "fp32",
        DType.Float64 => "fp64",
        DType.BFloat16 => "bf16",
        DType.Float16 => "fp16",
        DType.Int8 => "int8",
        _ => "int32",
    };
}
