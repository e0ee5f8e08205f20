using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>What cuBLAS and cuBLASLt have in common: numbers of types and of answers.</summary>
internal static class CublasCall
{
    public const int Compute32F = 68, NotSupported = 15;

    private const int AllocationFailed = 3;

    /// <summary>Number of <c>cudaDataType</c>.</summary>
    public static int TypeOf(in Tensor tensor) => tensor.Type switch
    {
        DType.Float32 => 0,
        DType.Float16 => 2,
        DType.BFloat16 => 14,
        _ => throw new ArgumentException($"no matrix product of {tensor}"),
    };

    /// <summary>Turns a refusal into an exception.</summary>
    public static void Check(int status, string call, in MatrixProduct product = default)
    {
        if (status == 0) return;
        var where = product.Result.IsPresent ? product.ToString() : null;
        if (status == AllocationFailed)
            throw new ResourceException($"The device has not enough memory: {call} answered {NameOf(status)}.", where,
                "Use a smaller batch.");
        throw new CudaException($"cuBLAS refused: {call} answered {NameOf(status)}.", where,
            "Resume from the last checkpoint; "
                + $"with {CublasLtOptions.ModeVariable}=off plain cuBLAS makes the products.");
    }

    private static string NameOf(int status) => status switch
    {
        1 => "CUBLAS_STATUS_NOT_INITIALIZED",
        AllocationFailed => "CUBLAS_STATUS_ALLOC_FAILED",
        7 => "CUBLAS_STATUS_INVALID_VALUE",
        8 => "CUBLAS_STATUS_ARCH_MISMATCH",
        11 => "CUBLAS_STATUS_MAPPING_ERROR",
        13 => "CUBLAS_STATUS_EXECUTION_FAILED",
        14 => "CUBLAS_STATUS_INTERNAL_ERROR",
        NotSupported => "CUBLAS_STATUS_NOT_SUPPORTED",
        _ => $"status {status}",
    };
}
