using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// AWQ (Lin et al. 2023, arXiv:2306.00978) in the packing for products of matrices: words of eight outputs,
/// interleaved; a scale and a zero per group of inputs and output.
/// </summary>
internal sealed class AwqForm : StoredForm
{
    private const int PerWord = 8;

    private static readonly int[] Order = [0, 2, 4, 6, 1, 3, 5, 7];

    /// <inheritdoc/>
    internal override string Name => "AWQ";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) => module.Leaf == "weight" && IsAwq(module);

    /// <summary>Whether the words go along the outputs, where GPTQ's go down the inputs.</summary>
    internal static bool IsAwq(StoredModule module) => module.Find("qweight") is { Shape: [_, var words] }
        && module.Find("scales") is { Shape: [_, var outputs] } && words * PerWord == outputs;

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var (rows, columns) = (module.Rows, module.Columns);
        var (qweight, scales) = (module.Find("qweight")!, module.Find("scales")!);
        if (rows % PerWord != 0)
            throw module.Error(qweight, $"a word holds {PerWord} codes", "outputs are whole words");
        var groups = scales.Shape[0] is > 0 and var g && g <= columns ? (int)g
            : throw module.Error(scales, $"there are {scales.Shape[0]} groups", "there is a scale per group");
        var stored = module.Floats(scales, groups, rows);
        var zeros = CodePacking.Along(module.Integers(module.Get("qzeros", qweight.Name), groups, rows / PerWord),
            groups, rows, 4, Order);
        var maxima = new float[stored.Length];
        for (var group = 0; group < groups; group++)
            for (var r = 0; r < rows; r++) maxima[r * groups + group] = stored[group * rows + r];
        var size = GroupSize.Of(module, scales, groups);
        return new StoredWeight($"awq, 4 bits, {GroupSize.Text(size, columns)}",
            new QuantizedMatrix(Codes(module.Integers(qweight, columns, rows / PerWord), rows, columns),
                CodeBooks.Integers(4), size, maxima)
            {
                BlockRows = 1, Zeros = CodePacking.Transpose(zeros, groups, rows),
            });
    }

    private static unsafe byte[] Codes(ReadOnlySpan<int> words, int rows, int columns)
    {
        fixed (int* start = words)
        {
            var from = (nint)start;
            return CodePacking.Pack(rows, columns, 4, (first, count, codes) =>
            {
                for (var k = 0; k < columns; k++)
                    for (var r = 0; r < count; r += PerWord)
                    {
                        var word = ((int*)from)[((long)k * rows + first + r) / PerWord];
                        for (var i = 0; i < PerWord; i++)
                            codes[(r + Order[i]) * columns + k] = (byte)(word >> 4 * i & 15);
                    }
            });
        }
    }
}
