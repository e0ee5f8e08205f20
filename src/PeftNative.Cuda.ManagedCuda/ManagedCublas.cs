using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Products;
using PeftNative.Tensors;

namespace PeftNative.Cuda.ManagedCuda;

/// <summary>cuBLAS through the declarations of ManagedCuda-CUBLAS, which has none of cuBLASLt.</summary>
internal sealed unsafe class ManagedCublas : ICublas
{
    private const int DefaultAlgorithm = -1, DisallowReducedPrecisionReduction = 16;

    public string Name => "cuBLAS";

    public bool HasEpilogue => false;

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

    public ICublasHandle Open(CudaDevice device, CudaMemory workspace)
    {
        CudaBlasHandle handle = default;
        Check(CudaBlasNativeMethods.cublasCreate_v2(ref handle), "cublasCreate");
        var opened = new Handle(handle);
        try
        {
            Check(CudaBlasNativeMethods.cublasSetStream_v2(handle, new CUstream { Pointer = device.Stream }),
                "cublasSetStream");
            Check(CudaBlasNativeMethods.cublasSetWorkspace_v2(handle, Pointer(workspace.Pointer), workspace.Bytes),
                "cublasSetWorkspace");
            Check(CudaBlasNativeMethods.cublasSetMathMode(handle,
                (global::ManagedCuda.CudaBlas.Math)DisallowReducedPrecisionReduction),
                "cublasSetMathMode");
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private static cudaDataType TypeOf(in Tensor tensor) => (cudaDataType)CublasCall.TypeOf(tensor);

    private static CUdeviceptr Pointer(nint address) => new() { Pointer = (long)address };

    private static void Check(CublasStatus status, string call, in MatrixProduct product = default) =>
        CublasCall.Check((int)status, call, product);

    private sealed class Handle(CudaBlasHandle handle) : ICublasHandle
    {
        public bool TryMultiply(in MatrixProduct product)
        {
            if (product.HasEpilogue) return false;
            var (a, b, c) = (product.A, product.B, product.Result);
            var (alpha, beta) = (product.Alpha, product.Beta);
            // cuBLAS counts columns first, so it is asked for the transposed product.
            Check(CudaBlasNativeMethods.cublasGemmEx(handle, (Operation)(product.TransposeB ? 1 : 0),
                (Operation)(product.TransposeA ? 1 : 0),
                c.Columns, c.Rows, product.Depth, (IntPtr)(&alpha), Pointer(b.Pointer), TypeOf(b), b.Stride,
                Pointer(a.Pointer), TypeOf(a), a.Stride,
                (IntPtr)(&beta), Pointer(c.Pointer), TypeOf(c), c.Stride, (ComputeType)CublasCall.Compute32F,
                (GemmAlgo)DefaultAlgorithm),
                "cublasGemmEx", product);
            return true;
        }

        public void Dispose() => _ = CudaBlasNativeMethods.cublasDestroy_v2(handle);
    }
}
