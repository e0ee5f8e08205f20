using PeftNative.Ops;

namespace PeftNative.Quantization;

/// <summary>Bytes that lie in a file, while it is open.</summary>
internal delegate ReadOnlySpan<byte> BytesOfFile();

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

    /// <summary>The layout of blocks that hold their scales themselves; nothing else is given then.</summary>
    internal BlockFormat Format { get; init; }

    /// <summary>The blocks of a format.</summary>
    internal BytesOfFile? Blocks { get; init; }

    /// <summary>Whether the blocks are those of a mapped file, which then has to outlive the weight.</summary>
    internal bool AreMapped { get; init; }

    /// <summary>Rows of blocks.</summary>
    internal int Rows { get; init; }
}
