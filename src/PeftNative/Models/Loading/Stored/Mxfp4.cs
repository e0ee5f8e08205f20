using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// MXFP4 as gpt_oss stores it: blocks of 32 floats of 4 bits, the first of a byte in the lower half, with a power of
/// two each. A stack of matrices counts as one whose rows are all of theirs.
/// </summary>
internal sealed class Mxfp4Form : StoredForm
{
    private const int Held = 32;

    /// <inheritdoc/>
    internal override string Name => "MXFP4";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) => module.Find(module.Leaf + "_blocks") is not null;

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var (rows, columns) = (module.Rows, module.Columns);
        var blocks = module.Find(module.Leaf + "_blocks")!;
        var scales = module.Get(module.Leaf + "_scales", blocks.Name);
        if (columns % Held != 0) throw module.Error(blocks, $"a block holds {Held}", "columns are whole blocks");
        // [..., rows, columns / 32, 16]
        long[] outer = [.. blocks.Shape.Take(Math.Max(0, blocks.Shape.Length - 2))];
        if (outer.Aggregate(1L, (a, b) => a * b) != rows || outer.Length == 0)
            throw module.Error(blocks, $"it is [{string.Join(", ", blocks.Shape)}]",
                $"this tensor holds {rows} rows of blocks");
        var codes = module.Bytes(blocks, [StoredType.U8], [.. outer, columns / Held, Held / 2]).ToArray();
        foreach (ref var pair in codes.AsSpan()) pair = (byte)(pair << 4 | pair >> 4);
        var exponents = module.Bytes(scales, [StoredType.U8, StoredType.F8E8M0], [.. outer, columns / Held]).ToArray();
        if (Array.IndexOf(exponents, (byte)255) is >= 0 and var at)
            throw module.Error(scales, $"element {at} is not a number", "every scale is a power of two");
        return new StoredWeight($"mxfp4, blocks of {Held}", new QuantizedMatrix(codes, CodeBooks.Float4, Held, [])
        {
            BlockRows = 1, MaximaCodes = exponents, MaximaBook = CodeBooks.Powers,
            MaximaScales = [.. Enumerable.Repeat(1f, (exponents.Length + 255) / 256)],
        });
    }
}
