using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// GPTQ (Frantar et al. 2022, arXiv:2210.17323): words of codes of 4 or 8 bits down the inputs; a scale and a zero per
/// group of inputs and output. Which group an input is of, g_idx says where it is there.
/// </summary>
internal sealed class GptqForm : StoredForm
{
    /// <inheritdoc/>
    internal override string Name => "GPTQ";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) =>
        module.Leaf == "weight" && module.Find("qweight") is not null && !AwqForm.IsAwq(module);

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var (rows, columns) = (module.Rows, module.Columns);
        var qweight = module.Get("qweight", "weight");
        // As many words down the inputs as the codes have bits for each 32 of them.
        var bits = qweight.Shape is [var down, _] && down * 32 == columns * 8L ? 8 : 4;
        var perWord = 32 / bits;
        if (columns % perWord != 0 || rows % perWord != 0)
            throw module.Error(qweight, $"a word holds {perWord} codes", "sides are whole words");
        var scales = module.Get("scales", qweight.Name);
        var groups = scales.Shape is [var g, _] && g > 0 && g <= columns ? (int)g
            : throw module.Error(scales, $"it is [{string.Join(", ", scales.Shape)}]", "there is a scale per group");
        var maxima = Turned(module.Floats(scales, groups, rows), groups, rows);
        var qzeros = module.Get("qzeros", qweight.Name);
        var zeros = CodePacking.Along(module.Integers(qzeros, groups, rows / perWord), groups, rows, bits,
            [.. Enumerable.Range(0, perWord)]);
        if (!module.Config.HasWholeZeros)
            for (var i = 0; i < zeros.Length; i++) zeros[i] = (byte)(zeros[i] + 1 & (1 << bits) - 1);

        var size = GroupSize.Of(module, scales, groups);
        var order = module.Find("g_idx") is { } index ? Groups(module, index, groups, size) : [];
        var matrix = new QuantizedMatrix(Codes(module.Integers(qweight, columns / perWord, rows), rows, columns, bits),
            CodeBooks.Integers(bits), size, maxima)
        {
            BlockRows = 1, Groups = order, Zeros = CodePacking.Transpose(zeros, groups, rows),
        };
        return new StoredWeight($"gptq, {bits} bits, {GroupSize.Text(size, columns)}"
            + (order.Length > 0 ? ", act-order" : ""), matrix);
    }

    private static unsafe byte[] Codes(ReadOnlySpan<int> words, int rows, int columns, int bits)
    {
        var (perWord, mask) = (32 / bits, (1 << bits) - 1);
        fixed (int* start = words)
        {
            var from = (nint)start;
            return CodePacking.Pack(rows, columns, bits, (first, count, codes) =>
            {
                for (var w = 0; w < columns / perWord; w++)
                    for (var r = 0; r < count; r++)
                    {
                        var word = ((int*)from)[(long)w * rows + first + r];
                        var to = codes.Slice(r * columns + w * perWord, perWord);
                        for (var i = 0; i < perWord; i++) to[i] = (byte)(word >> i * bits & mask);
                    }
            });
        }
    }

    // The group of each input; empty where groups follow each other.
    private static int[] Groups(StoredModule module, StoredTensor index, int groups, int size)
    {
        var order = module.Integers(index, module.Columns).ToArray();
        var at = Array.FindIndex(order, g => g < 0 || g >= groups);
        if (at >= 0) throw module.Error(index, $"input {at} is of group {order[at]}", $"there are {groups} groups");
        for (var k = 0; k < order.Length; k++)
            if (order[k] != k / size) return order;
        return [];
    }

    private static float[] Turned(float[] scales, int groups, int rows)
    {
        var turned = new float[scales.Length];
        for (var g = 0; g < groups; g++)
            for (var r = 0; r < rows; r++) turned[r * groups + g] = scales[g * rows + r];
        return turned;
    }
}

/// <summary>Columns that share a scale.</summary>
internal static class GroupSize
{
    /// <summary>What config.json says where it fits the scales; else what they say alone.</summary>
    internal static int Of(StoredModule module, StoredTensor scales, int groups)
    {
        var columns = module.Columns;
        var size = module.Config.GroupSize switch
        {
            -1 => columns,
            { } given => Math.Min(given, columns),
            null => columns % groups == 0 ? columns / groups : 0,
        };
        return size > 0 && (columns + size - 1) / size == groups ? size
            : throw module.Error(scales, $"there are {groups} in {columns} columns",
                module.Config.GroupSize is { } said ? $"config.json's group_size {said} gives the groups"
                    : "groups are of equal size");
    }

    /// <summary>In words.</summary>
    internal static string Text(int size, int columns) => size == columns ? "a scale per row" : $"groups of {size}";
}
