using System.Runtime.InteropServices;
using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// compressed-tensors' packed whole numbers: words of codes of 4 or 8 bits along the inputs, half the range above the
/// value; a scale, and perhaps a zero, per group, row or matrix.
/// </summary>
internal sealed class PackedIntegersForm : StoredForm
{
    /// <inheritdoc/>
    internal override string Name => "compressed-tensors, packed";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) =>
        module.Leaf == "weight" && module.Find("weight_packed") is not null;

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var packed = module.Find("weight_packed")!;
        var (rows, columns) = (module.Rows, module.Columns);
        CheckShape(module, packed);
        var words = packed.Shape is [_, var along] ? along : 0;
        var bits = words == (columns + 3) / 4 ? 8 : 4;
        var perWord = 32 / bits;
        module.CheckScheme(packed, "int", bits);
        var scales = BlockScales.Read(module, module.Get("weight_scale", packed.Name));
        var stored = module.Integers(packed, rows, (columns + perWord - 1) / perWord);
        var matrix = new QuantizedMatrix(Codes(stored, rows, columns, bits), CodeBooks.Integers(bits, -1 << bits - 1),
            scales.Columns, scales.Values)
        {
            BlockRows = scales.Rows, Zeros = Zeros(module, scales, bits),
            Groups = module.Find("weight_g_idx") is { } index ? BlockScales.Groups(module, index, scales) : [],
        };
        return new StoredWeight($"int{bits}, {scales.Text(columns)}", matrix);
    }

    private static void CheckShape(StoredModule module, StoredTensor packed)
    {
        var shape = module.Get("weight_shape", packed.Name);
        var bytes = module.Bytes(shape, [StoredType.I64, StoredType.I32], 2);
        long[] said = shape.Type == StoredType.I64 ? [.. MemoryMarshal.Cast<byte, long>(bytes)]
            : [.. MemoryMarshal.Cast<byte, int>(bytes).ToArray().Select(i => (long)i)];
        if (said[0] != module.Rows || said[1] != module.Columns)
            throw module.Error(shape, $"it says [{said[0]}, {said[1]}]", "this tensor says the same");
    }

    private static unsafe byte[] Codes(ReadOnlySpan<int> words, int rows, int columns, int bits)
    {
        var (perWord, mask) = (32 / bits, (1 << bits) - 1);
        var perRow = (columns + perWord - 1) / perWord;
        fixed (int* start = words)
        {
            var from = (nint)start;
            return CodePacking.Pack(rows, columns, bits, (first, count, codes) =>
            {
                for (var r = 0; r < count; r++)
                    for (var k = 0; k < columns; k++)
                        codes[r * columns + k] = (byte)(((int*)from)[(long)(first + r) * perRow + k / perWord]
                            >> k % perWord * bits & mask);
            });
        }
    }

    // Packed down the rows, or a signed byte each.
    private static byte[] Zeros(StoredModule module, BlockScales scales, int bits)
    {
        if (module.Find("weight_zero_point") is not { } zeros) return [];
        var (down, along) = (scales.Down, scales.Along);
        if (zeros.Type == StoredType.I32)
            return CodePacking.Down(module.Integers(zeros, (down + 32 / bits - 1) / (32 / bits), along), down, along,
                bits);
        var half = 1 << bits - 1;
        return [.. module.Bytes(zeros, [StoredType.I8], [.. scales.Shape]).ToArray()
            .Select(z => (byte)((sbyte)z + half & (1 << bits) - 1))];
    }
}

/// <summary>compressed-tensors' whole numbers of 8 bits as they are, with a scale per row, group or matrix.</summary>
internal sealed class IntegersForm : StoredForm
{
    /// <inheritdoc/>
    internal override string Name => "compressed-tensors, int8";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) => module.Leaf == "weight"
        && module.Find("weight") is { Type: StoredType.I8 } && module.Find("weight_scale") is not null;

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var weight = module.Find("weight")!;
        module.CheckScheme(weight, "int", bits: null);
        var codes = module.Bytes(weight, [StoredType.I8], module.Rows, module.Columns).ToArray();
        foreach (ref var code in codes.AsSpan()) code ^= 128; // to codes from 0 on
        var scales = BlockScales.Read(module, module.Get("weight_scale", weight.Name));
        byte[] zeros = module.Find("weight_zero_point") is { } stored
            ? [.. module.Bytes(stored, [StoredType.I8], [.. scales.Shape]).ToArray().Select(z => (byte)(z ^ 128))] : [];
        module.Skip("input_scale");
        module.Skip("input_zero_point");
        return new StoredWeight($"int8, {scales.Text(module.Columns)}",
            new QuantizedMatrix(codes, CodeBooks.Integers(8, -128), scales.Columns, scales.Values)
            {
                BlockRows = scales.Rows, Zeros = zeros,
                Groups = module.Find("weight_g_idx") is { } index ? BlockScales.Groups(module, index, scales) : [],
            });
    }
}
