using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using PeftNative.Cuda.Products;
using PeftNative.Tensors;

namespace PeftNative.Cuda.ManagedCuda;

/// <summary>cuBLAS through the declarations of ManagedCuda-CUBLAS.</summary>
internal sealed unsafe class ManagedCublas : ICublas
{
    private const int Compute32F = 68, DefaultAlgorithm = -1, DisallowReducedPrecisionReduction = 16;

    /// <summary>The library, or null where it cannot be loaded.</summary>
    public static ICublas? Find()
    {
        try
        {
            CudaBlasHandle handle = default;
            var result = CudaBlasNativeMethods.cublasCreate_v2(ref handle);
            if (result == CublasStatus.Success) _ = CudaBlasNativeMethods.cublasDestroy_v2(handle);
            return new ManagedCublas();
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }

    public nint Open(nint stream, nint workspace, long workspaceBytes)
    {
        CudaBlasHandle handle = default;
        Check(CudaBlasNativeMethods.cublasCreate_v2(ref handle), "cublasCreate");
        Check(CudaBlasNativeMethods.cublasSetStream_v2(handle, new CUstream { Pointer = stream }), "cublasSetStream");
        Check(CudaBlasNativeMethods.cublasSetWorkspace_v2(handle, Pointer(workspace), workspaceBytes), "cublasSetWorkspace");
        Check(CudaBlasNativeMethods.cublasSetMathMode(handle, (global::ManagedCuda.CudaBlas.Math)DisallowReducedPrecisionReduction), "cublasSetMathMode");
        return handle.Pointer;
    }

    public void Close(nint handle) => _ = CudaBlasNativeMethods.cublasDestroy_v2(new CudaBlasHandle { Pointer = handle });

    public void Multiply(nint handle, in Tensor a, bool transposeA, in Tensor b, bool transposeB, in Tensor c, float beta, float alpha)
    {
        // cuBLAS counts columns first, so it is asked for the transposed product.
        Check(CudaBlasNativeMethods.cublasGemmEx(new CudaBlasHandle { Pointer = handle }, (Operation)(transposeB ? 1 : 0),
            (Operation)(transposeA ? 1 : 0), c.Columns, c.Rows, transposeA ? a.Rows : a.Columns, (IntPtr)(&alpha),
            Pointer(b.Pointer), TypeOf(b), b.Stride, Pointer(a.Pointer), TypeOf(a), a.Stride, (IntPtr)(&beta),
            Pointer(c.Pointer), TypeOf(c), c.Stride, (ComputeType)Compute32F, (GemmAlgo)DefaultAlgorithm), "cublasGemmEx");
    }

    private static cudaDataType TypeOf(in Tensor tensor) => (cudaDataType)(tensor.Type switch
    {
        DType.Float32 => 0,
        DType.Float16 => 2,
        DType.BFloat16 => 14,
        _ => throw new ArgumentException($"no matrix product of {tensor}"),
    });

    private static CUdeviceptr Pointer(nint address) => new() { Pointer = (long)address };

    private static void Check(CublasStatus status, string call)
    {
        if (status != CublasStatus.Success) throw new CudaException($"cuBLAS refused: {call} answered {status}.");
    }
}
