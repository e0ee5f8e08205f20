using System.Runtime.InteropServices;
using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// bitsandbytes' 8-bit weights (Dettmers et al. 2022, arXiv:2208.07339): signed bytes row by row, a maximum per row.
/// </summary>
internal sealed class Bitsandbytes8Form : StoredForm
{
    /// <inheritdoc/>
    internal override string Name => "bitsandbytes 8-bit";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) => module.Leaf == "weight" && module.Find("SCB") is not null;

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var weight = module.Get("weight", "SCB");
        if (module.Find("weight_format") is { } format)
        {
            var layout = module.Bytes(format, [StoredType.U8], [.. format.Shape]);
            if (layout.Length != 1 || layout[0] != 0)
                throw module.Error(format, $"it is {(layout.Length == 1 ? layout[0] : -1)}",
                    "the format is the number 0, row by row");
        }
        var codes = module.Bytes(weight, [StoredType.I8], module.Rows, module.Columns).ToArray();
        var maxima = module.Floats(module.Find("SCB")!, module.Rows);
        return new StoredWeight("int8, a scale per row", new QuantizedMatrix(codes, [], module.Columns, maxima))
        {
            Again = values => Write(values, module.Rows, module.Columns),
        };
    }

    // As bitsandbytes writes: of the numbers in half precision.
    private static WrittenWeight Write(float[] values, int rows, int columns)
    {
        var (codes, maxima) = (new byte[values.Length], new float[rows]);
        for (var r = 0; r < rows; r++)
        {
            var row = values.AsSpan(r * columns, columns).ToArray();
            for (var c = 0; c < columns; c++) row[c] = (float)(Half)row[c];
            maxima[r] = row.Max(Math.Abs);
            var factor = maxima[r] == 0 ? 0 : 127 / maxima[r];
            for (var c = 0; c < columns; c++)
                codes[r * columns + c] = (byte)(sbyte)MathF.Round(row[c] * factor, MidpointRounding.ToEven);
        }
        return new WrittenWeight(new QuantizedMatrix(codes, [], columns, maxima),
        [
            new("weight", StoredType.I8, [rows, columns], codes),
            new("SCB", StoredType.F32, [rows], MemoryMarshal.AsBytes(maxima.AsSpan()).ToArray()),
            new("weight_format", StoredType.U8, [], [0]),
        ]);
    }
}
