using PeftNative.Tensors;

namespace PeftNative.Cuda.Driver;

/// <summary>A library of matrix products: cuBLASLt, or cuBLAS where it is not there.</summary>
internal interface ICublas
{
    /// <summary>Name and, where known, version, for people.</summary>
    string Name { get; }

    /// <summary>Whether a product may have a bias and be added to another matrix than its result.</summary>
    bool HasEpilogue { get; }

    /// <summary>Products on the stream of a device, with a workspace of the caller.</summary>
    /// <exception cref="CudaException">The library refused.</exception>
    ICublasHandle Open(CudaDevice device, CudaMemory workspace);
}

/// <summary>An opened library of matrix products. Used by one thread at a time.</summary>
internal interface ICublasHandle : IDisposable
{
    /// <summary>
    /// Makes a product; false, and nothing is done, where the library has no way to add to it all that is to be added.
    /// </summary>
    /// <exception cref="CudaException">The library refused.</exception>
    bool TryMultiply(in MatrixProduct product);
}

/// <summary>
/// Result = alpha A′ B′ + beta C + bias, for matrices that lie row by row, where ′ transposes or does nothing.
/// </summary>
internal readonly record struct MatrixProduct(Tensor A, bool TransposeA, Tensor B, bool TransposeB, Tensor Result)
{
    public float Alpha { get; init; } = 1;

    public float Beta { get; init; }

    /// <summary>
    /// C: of the shape and type of the result, and either the result itself, as it is when absent, or not overlapping
    /// it.
    /// </summary>
    public Tensor Added { get; init; }

    /// <summary>One row in the type of the result, or absent.</summary>
    public Tensor Bias { get; init; }

    /// <summary>The inner dimension.</summary>
    public int Depth => TransposeA ? A.Rows : A.Columns;

    /// <summary>C, wherever it is.</summary>
    public Tensor Source => Added.IsPresent ? Added : Result;

    /// <summary>Whether something is added that is not the result itself.</summary>
    public bool HasEpilogue => Bias.IsPresent || Source.Pointer != Result.Pointer;

    /// <summary>Operands as an error shows them.</summary>
    public override string ToString() =>
        $"operands {A}{(TransposeA ? "'" : "")}, {B}{(TransposeB ? "'" : "")}, {Result}" +
        (Source.Pointer != Result.Pointer ? $", added {Added}" : "") + (Bias.IsPresent ? $", bias {Bias}" : "");
}
