using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>
/// Products of large matrices of one type by cuBLAS. Small ones, and all where there is no cuBLAS, are made by the kernels of
/// kernels/linear.cu, which do the whole record at once.
/// </summary>
internal sealed class MatrixProducts(CudaDevice device) : IDisposable
{
    /// <summary>From this many multiplications on a launch of its own is worth it.</summary>
    private const long SmallestProduct = 1 << 18;

    private const long WorkspaceBytes = 32L << 20;

    private readonly ICublas? cublas = device.Driver.FindCublas();
    private CudaMemory? workspace;
    private nint handle;

    /// <summary>Whether cuBLAS is there.</summary>
    public bool IsAvailable => cublas is not null;

    /// <summary>Whether a product [rows, depth] · [depth, columns] of operands of these types is better left to cuBLAS.</summary>
    public bool IsWorthwhile(DType first, DType second, long rows, long columns, long depth) =>
        cublas is not null && first == second && rows * columns * depth >= SmallestProduct;

    /// <summary>C = alpha A′ B′ + beta C, where ′ transposes or does nothing.</summary>
    public void Multiply(in Tensor a, bool transposeA, in Tensor b, bool transposeB, in Tensor c, float beta = 0, float alpha = 1)
    {
        if (cublas is null) throw new InvalidOperationException("there is no cuBLAS");
        device.MakeCurrent();
        if (handle == 0)
        {
            workspace = new CudaMemory(device, WorkspaceBytes, "workspace of cuBLAS");
            handle = cublas.Open(device.Stream, workspace.Pointer, WorkspaceBytes);
        }
        cublas.Multiply(handle, a, transposeA, b, transposeB, c, beta, alpha);
    }

    public void Dispose()
    {
        if (handle != 0) cublas!.Close(handle);
        handle = 0;
        workspace?.Dispose();
        workspace = null;
    }
}
