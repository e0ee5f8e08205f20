using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

/// <summary>Single elements of host tensors of any type, as doubles. Writing rounds to nearest, ties to even.</summary>
internal static unsafe class Elements
{
    public static double Get(in Tensor tensor, int row, int column)
    {
        var i = (long)row * tensor.Stride + column;
        return tensor.Type switch
        {
            DType.Float64 => ((double*)tensor.Pointer)[i],
            DType.Float32 => ((float*)tensor.Pointer)[i],
            DType.Float16 => (double)((Half*)tensor.Pointer)[i],
            DType.BFloat16 => FromBFloat16(((ushort*)tensor.Pointer)[i]),
            DType.Int8 => ((sbyte*)tensor.Pointer)[i],
            _ => ((int*)tensor.Pointer)[i],
        };
    }

    public static void Set(in Tensor tensor, int row, int column, double value)
    {
        var i = (long)row * tensor.Stride + column;
        switch (tensor.Type)
        {
            case DType.Float64: ((double*)tensor.Pointer)[i] = value; break;
            case DType.Float32: ((float*)tensor.Pointer)[i] = (float)value; break;
            case DType.Float16: ((Half*)tensor.Pointer)[i] = (Half)value; break;
            case DType.BFloat16: ((ushort*)tensor.Pointer)[i] = ToBFloat16(value); break;
            case DType.Int8: ((sbyte*)tensor.Pointer)[i] = (sbyte)value; break;
            default: ((int*)tensor.Pointer)[i] = (int)value; break;
        }
    }

    public static void Add(in Tensor tensor, int row, int column, double value) =>
        Set(tensor, row, column, Get(tensor, row, column) + value);

    /// <summary>Element <paramref name="i"/> of an int32 vector.</summary>
    public static int Int(in Tensor tensor, int i) => ((int*)tensor.Pointer)[i];

    /// <summary>A value as it is after being stored in a type.</summary>
    public static double Round(DType type, double value) => type switch
    {
        DType.Float64 => value,
        DType.Float32 => (float)value,
        DType.Float16 => (double)(Half)value,
        DType.BFloat16 => FromBFloat16(ToBFloat16(value)),
        _ => (int)value,
    };

    public static float FromBFloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>
    /// Rounds once: the binary32 on the way is rounded to odd (its last bit tells that something was cut off), so that
    /// the second rounding cannot see a tie that was none.
    /// </summary>
    public static ushort ToBFloat16(double value)
    {
        var single = (float)value;
        var bits = BitConverter.SingleToUInt32Bits(single);
        if (double.IsNaN(value)) return (ushort)((bits >> 16) | 0x40);
        if (float.IsFinite(single) && single != value)
        {
            if (Math.Abs((double)single) > Math.Abs(value)) bits--;
            bits |= 1;
        }
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
