using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// A matrix out of 4-bit or 8-bit codes with a maximum per block (Dettmers et al. 2023, arXiv:2305.14314). Elements are
/// numbered row by row; block b is elements b · BlockSize up to (b + 1) · BlockSize, whatever rows they are of:
/// <code>
/// Y_e = Book[c_e] · maximum(e / BlockSize)          with a book: two codes to a byte, the first in the upper half
/// Y_e = c_e / 127 · maximum(e / BlockSize)          without: a signed byte each
/// maximum(b) = Maxima[b]                            or, quantised themselves:
/// maximum(b) = MaximaBook[m_b] · MaximaScales[b / 256] + MaximaOffset
/// </code>
/// Codes are bytes that lie in int32 tensors, in the order of memory.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct DequantizeOp
{
    /// <summary>Bytes of codes c, int32 [1, words].</summary>
    public Tensor Codes { get; init; }

    /// <summary>Values of the 16 codes [1, 16]; absent for 8-bit codes.</summary>
    public Tensor Book { get; init; }

    /// <summary>Elements that share a maximum.</summary>
    public int BlockSize { get; init; }

    /// <summary>Largest magnitude of each block [1, blocks]; absent where they are quantised.</summary>
    public Tensor Maxima { get; init; }

    /// <summary>Bytes of codes m of the maxima, int32 [1, words].</summary>
    public Tensor MaximaCodes { get; init; }

    /// <summary>Values of the 256 codes [1, 256].</summary>
    public Tensor MaximaBook { get; init; }

    /// <summary>Largest magnitude of each 256 maxima [1, blocks / 256], the offset taken off.</summary>
    public Tensor MaximaScales { get; init; }

    /// <summary>Mean of the maxima.</summary>
    public double MaximaOffset { get; init; }

    /// <summary>The matrix [N, K], overwritten.</summary>
    public Tensor Y { get; init; }
}

/// <summary>A frozen matrix kept in 4 or 8 bits an element. The memory belongs to the arena it was cut from.</summary>
/// <param name="Op">Everything but the target.</param>
/// <param name="Bytes">Bytes of codes and maxima.</param>
public sealed record QuantizedWeight(DequantizeOp Op, long Bytes)
{
    /// <summary>
    /// The codes as a matrix, int8 [N, K], where products are made of them; absent where the weight is dequantised for
    /// its products.
    /// </summary>
    public Tensor Codes { get; init; }

    /// <summary>The same with <see cref="Codes"/>, of a weight [N, K] in 8 bits.</summary>
    internal QuantizedWeight WithCodes(int rows, int columns) =>
        this with { Codes = new Tensor(Op.Codes.Pointer, DType.Int8, rows, columns, columns) };
}
