using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PeftNative.Cuda.Products;

/// <summary>Numbers of <c>cublasLtMatmulDescAttributes_t</c>.</summary>
internal enum LtDescriptorAttribute
{
    TransposeA = 3,
    TransposeB = 4,
    Epilogue = 7,
    BiasPointer = 8,
}

/// <summary>Numbers of <c>cublasLtMatmulPreferenceAttributes_t</c>.</summary>
internal enum LtPreferenceAttribute
{
    WorkspaceBytes = 1,
    ReductionSchemes = 3,
    AlignmentA = 5,
    AlignmentB = 6,
    AlignmentC = 7,
    AlignmentD = 8,
}

/// <summary>
/// <c>cublasLtMatmulAlgo_t</c>: bytes that nobody looks into and that may be written down and read again by the same
/// version.
/// </summary>
[InlineArray(Words)]
internal struct LtAlgorithm
{
    private const int Words = 8;

    private ulong first;

    /// <summary>The bytes as digits.</summary>
    public override readonly string ToString() => Convert.ToHexStringLower(MemoryMarshal.AsBytes<ulong>(this[..]));

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out LtAlgorithm algorithm)
    {
        algorithm = default;
        var bytes = MemoryMarshal.AsBytes<ulong>(algorithm[..]);
        return text.Length == 2 * bytes.Length
            && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }
}

/// <summary>The layout of <c>cublasLtMatmulHeuristicResult_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LtHeuristicResult
{
    public LtAlgorithm Algorithm;
    public nuint WorkspaceBytes;
    public int State;
    public float Waves;
    private readonly long reserved, reservedToo;
}
