using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// A matrix out of codes with a scale per block, as quantised weights are kept (Dettmers et al. 2023, arXiv:2305.14314;
/// Frantar et al. 2022, arXiv:2210.17323). Elements are numbered row by row, e = n · K + k:
/// <code>
/// Y[n, k] = (Book[c_e] - Book[z(b)]) · maximum(b)   with a book of 16 values: two codes to a byte, the first in the
///                                                   upper half; of 256: a byte each. Without Zeros none is taken off
/// Y[n, k] = c_e / 127 · maximum(b)                  without a book: a signed byte each
/// b = e / BlockSize                                 where BlockRows is 0: blocks run on from row to row; else
/// b = n / BlockRows · ⌈K / BlockSize⌉ + g           with g = k / BlockSize, or Groups[k]
/// maximum(b) = Maxima[b]                            or, quantised themselves:
/// maximum(b) = MaximaBook[m_b] · MaximaScales[b / 256] + MaximaOffset
/// </code>
/// Codes are bytes that lie in int32 tensors, in the order of memory. With a <see cref="Format"/> they are the blocks
/// of a file as they are, which hold scales of their own, and nothing else is given.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct DequantizeOp
{
    /// <summary>Bytes of codes c, int32 [1, words]; with a format the rows' blocks, int8 [N, bytes a row].</summary>
    public Tensor Codes { get; init; }

    /// <summary>Values of the codes [1, 16] or [1, 256]; absent for signed bytes.</summary>
    public Tensor Book { get; init; }

    /// <summary>The layout of blocks that are given as they lie in a file.</summary>
    public BlockFormat Format { get; init; }

    /// <summary>Elements of a row that share a maximum.</summary>
    public int BlockSize { get; init; }

    /// <summary>Rows that share a maximum; 0 where blocks run on from row to row.</summary>
    public int BlockRows { get; init; }

    /// <summary>
    /// The block of each column, int32 [1, K], where it is not the one at its place (act-order); needs BlockRows.
    /// </summary>
    public Tensor Groups { get; init; }

    /// <summary>The code of each block that stands for zero, bytes in int32 [1, words]; or absent.</summary>
    public Tensor Zeros { get; init; }

    /// <summary>Scale of each block [1, blocks]; absent where they are quantised.</summary>
    public Tensor Maxima { get; init; }

    /// <summary>Bytes of codes m of the maxima, int32 [1, words].</summary>
    public Tensor MaximaCodes { get; init; }

    /// <summary>Values of the 256 codes [1, 256].</summary>
    public Tensor MaximaBook { get; init; }

    /// <summary>Scale of each 256 maxima [1, blocks / 256].</summary>
    public Tensor MaximaScales { get; init; }

    /// <summary>What is added to the maxima.</summary>
    public double MaximaOffset { get; init; }

    /// <summary>The matrix [N, K], overwritten.</summary>
    public Tensor Y { get; init; }
}

/// <summary>A frozen matrix kept as codes of few bits. The memory belongs to the arena it was cut from.</summary>
/// <param name="Op">Everything but the target.</param>
/// <param name="Bytes">Bytes of codes and maxima.</param>
public sealed record QuantizedWeight(DequantizeOp Op, long Bytes)
{
    /// <summary>
    /// The codes as a matrix, int8 [N, K], where products are made of them; absent where the weight is dequantised for
    /// its products.
    /// </summary>
    public Tensor Codes { get; init; }

    /// <summary>Whether the codes lie in a mapped file, not in memory of the backend.</summary>
    public bool IsMapped { get; init; }

    /// <summary>The same with <see cref="Codes"/>, of a weight [N, K] in 8 bits.</summary>
    internal QuantizedWeight WithCodes(int rows, int columns) =>
        this with { Codes = new Tensor(Op.Codes.Pointer, DType.Int8, rows, columns, columns) };
}
