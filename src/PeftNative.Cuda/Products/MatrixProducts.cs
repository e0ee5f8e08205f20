using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>
/// Products of large matrices of one type by cuBLASLt or cuBLAS. Small ones, and all where there is neither, are made
/// by the kernels of kernels/linear.cu, which do the whole record at once.
/// </summary>
internal sealed class MatrixProducts(CudaDevice device) : IDisposable
{
    private const long WorkspaceBytes = 32L << 20;

    private readonly ICublas? cublas = device.Driver.FindCublas();
    private CudaMemory? workspace;
    private ICublasHandle? handle;

    /// <summary>Whether there is a library.</summary>
    public bool IsAvailable => cublas is not null;

    /// <summary>Whether products may have a bias and be added to another matrix than their result.</summary>
    public bool HasEpilogue => cublas is { HasEpilogue: true };

    /// <summary>What makes the products, for people.</summary>
    public string Description => cublas?.Name ?? "no cuBLAS: matrix products by the kernels of PeftNative";

    /// <summary>From this many multiplications on a launch of its own is worth it.</summary>
    public long SmallestProduct { get; set; } = 1 << 18;

    /// <summary>
    /// Whether a product [rows, depth] · [depth, columns] of operands of these types is better left to a library.
    /// </summary>
    public bool IsWorthwhile(DType first, DType second, long rows, long columns, long depth) =>
        cublas is not null && first == second && rows * columns * depth >= SmallestProduct;

    /// <summary>C = alpha A′ B′ + beta C, where ′ transposes or does nothing.</summary>
    public void Multiply(in Tensor a, bool transposeA, in Tensor b, bool transposeB, in Tensor c, float beta = 0,
        float alpha = 1) =>
        // nothing is added but C
        _ = TryMultiply(new MatrixProduct(a, transposeA, b, transposeB, c) { Alpha = alpha, Beta = beta });

    /// <summary>
    /// Makes a product; false, and nothing is done, where the library has no way to add to it all that is to be added.
    /// </summary>
    public bool TryMultiply(in MatrixProduct product)
    {
        if (cublas is null) throw new InvalidOperationException("there is no library of matrix products");
        device.MakeCurrent();
        workspace ??= new CudaMemory(device, WorkspaceBytes, "workspace of matrix products");
        handle ??= cublas.Open(device, workspace);
        return handle.TryMultiply(product);
    }

    public void Dispose()
    {
        handle?.Dispose();
        handle = null;
        workspace?.Dispose();
        workspace = null;
    }
}
