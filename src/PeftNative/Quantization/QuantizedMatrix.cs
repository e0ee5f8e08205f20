namespace PeftNative.Quantization;

/// <summary>
/// A matrix as codes on the host, and the scales of its blocks or their codes; see <see cref="Ops.DequantizeOp"/>.
/// </summary>
internal sealed record QuantizedMatrix(byte[] Codes, float[] Book, int BlockSize, float[] Maxima)
{
    /// <summary>Rows that share a block; 0 where blocks run on from row to row.</summary>
    internal int BlockRows { get; init; }

    /// <summary>The block of each column; empty where that follows from its place.</summary>
    internal int[] Groups { get; init; } = [];

    /// <summary>The code of each block that stands for zero; empty where none does.</summary>
    internal byte[] Zeros { get; init; } = [];

    internal byte[]? MaximaCodes { get; init; }

    internal float[] MaximaBook { get; init; } = CodeBooks.DynamicMap;

    internal float[] MaximaScales { get; init; } = [];

    internal float MaximaOffset { get; init; }
}
