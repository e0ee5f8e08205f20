using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// 8-bit floats with a scale per block of rows and columns (weight_scale_inv, a factor despite its name), per row,
/// group or matrix (weight_scale). The last block of a side is short.
/// </summary>
internal sealed class Float8Form : StoredForm
{
    /// <inheritdoc/>
    internal override string Name => "fp8";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) => module.Leaf == "weight"
        && (module.Find("weight_scale_inv") is not null || module.Find("weight") is { Type: StoredType.F8E4M3 });

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var weight = module.Get("weight", "weight_scale_inv");
        module.CheckScheme(weight, "float", 8);
        var codes = module.Bytes(weight, [StoredType.F8E4M3], module.Rows, module.Columns).ToArray();
        var at = Array.FindIndex(codes, c => (c & 127) == 127);
        if (at >= 0) throw module.Error(weight, $"element {at} is not one", "every element is a number");
        var scales = BlockScales.Read(module,
            module.Find("weight_scale_inv") ?? module.Get("weight_scale", weight.Name));
        foreach (var ending in (string[])["input_scale", "activation_scale"]) module.Skip(ending);
        return new StoredWeight($"fp8, {scales.Text(module.Columns)}",
            new QuantizedMatrix(codes, CodeBooks.Float8, scales.Columns, scales.Values) { BlockRows = scales.Rows });
    }
}

/// <summary>Scales of blocks of rows and columns.</summary>
/// <param name="Values">The scales, row by row of blocks.</param>
/// <param name="Shape">The tensor's shape.</param>
/// <param name="Rows">Rows of a block.</param>
/// <param name="Columns">Columns of a block.</param>
/// <param name="Down">Blocks down the rows.</param>
/// <param name="Along">Blocks along the columns.</param>
internal sealed record BlockScales(float[] Values, long[] Shape, int Rows, int Columns, int Down, int Along)
{
    /// <summary>Reads them; what a block is, follows from their shape and what config.json names.</summary>
    /// <exception cref="ModelFormatException">No block that is named gives this shape.</exception>
    internal static BlockScales Read(StoredModule module, StoredTensor scales)
    {
        long[] shape = [.. scales.Shape];
        var (rows, columns) = (module.Rows, module.Columns);
        var (down, along) = shape switch
        {
            [] or [1] => (1L, 1L),
            [var n] => (n, 1L),
            [var n, var k] => (n, k),
            _ => (0L, 0L),
        };
        foreach (var (r, k) in Blocks(module, along))
            if ((rows + r - 1) / r == down && (columns + k - 1) / k == along)
                return new BlockScales(module.Floats(scales, shape), shape, r, k, (int)down, (int)along);
        var known = string.Join(" or ", Blocks(module, along).Select(b => $"[{b.Rows}, {b.Columns}]").Distinct());
        throw module.Error(scales, $"it is [{string.Join(", ", shape)}]", $"scales are of blocks of {known}");
    }

    // What config.json names, clipped to the matrix; else a scale per matrix, row or equal group.
    private static IEnumerable<(int Rows, int Columns)> Blocks(StoredModule module, long along)
    {
        IReadOnlyList<(int Rows, int Columns)> named = module.Config.Block is { } block ? [block]
            : [.. module.Config.Schemes.Select(s => (s.Rows, s.Columns))];
        if (named.Count == 0) named = [(int.MaxValue, int.MaxValue), (1, int.MaxValue),
            (1, along > 0 ? (int)Math.Max(1, module.Columns / along) : 1)];
        return named.Select(b => (Math.Min(b.Rows, module.Rows), Math.Min(b.Columns, module.Columns)));
    }

    /// <summary>The group of each column (weight_g_idx); empty where groups follow each other.</summary>
    internal static int[] Groups(StoredModule module, StoredTensor index, BlockScales scales)
    {
        var order = module.Integers(index, module.Columns).ToArray();
        // -1 throughout: not used.
        if (Array.TrueForAll(order, g => g == -1)) return [];
        var at = Array.FindIndex(order, g => g < 0 || g >= scales.Along);
        if (at >= 0)
            throw module.Error(index, $"column {at} is of group {order[at]}", $"there are {scales.Along} groups");
        for (var k = 0; k < order.Length; k++)
            if (order[k] != k / scales.Columns) return order;
        return [];
    }

    /// <summary>In words.</summary>
    internal string Text(int columns) => Rows > 1 && Down == 1 && Along == 1 ? "one scale"
        : Rows > 1 ? $"blocks of {Rows} x {Columns}" : GroupSize.Text(Columns, columns);
}
