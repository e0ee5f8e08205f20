using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>cuBLAS, as far as it is used.</summary>
internal interface ICublas
{
    /// <summary>A handle whose work goes to a stream, with a workspace of the caller.</summary>
    /// <exception cref="CudaException">The library refused.</exception>
    nint Open(nint stream, nint workspace, long workspaceBytes);

    /// <summary>Gives a handle back.</summary>
    void Close(nint handle);

    /// <summary>C = alpha A′ B′ + beta C for matrices that lie row by row, where ′ transposes or does nothing.</summary>
    void Multiply(nint handle, in Tensor a, bool transposeA, in Tensor b, bool transposeB, in Tensor c, float beta, float alpha);
}

/// <summary>A cuBLAS loaded by name: version 13, 12 or 11, or that of the emulator.</summary>
internal sealed unsafe class Cublas : ICublas
{
    private const int Compute32F = 68, DefaultAlgorithm = -1;

    // Sums of bf16 and fp16 products stay fp32 to the end; TF32 is off unless it is asked for.
    private const int DisallowReducedPrecisionReduction = 16;

    private readonly delegate* unmanaged<nint*, int> create;
    private readonly delegate* unmanaged<nint, int> destroy;
    private readonly delegate* unmanaged<nint, nint, int> setStream;
    private readonly delegate* unmanaged<nint, nint, nuint, int> setWorkspace;
    private readonly delegate* unmanaged<nint, int, int> setMathMode;
    private readonly delegate* unmanaged<nint, int, int, int, int, int, float*, nint, int, int, nint, int, int, float*, nint, int, int, int, int, int>
        gemmEx;

    private Cublas(Func<string, nint> find)
    {
        create = (delegate* unmanaged<nint*, int>)find("cublasCreate_v2");
        destroy = (delegate* unmanaged<nint, int>)find("cublasDestroy_v2");
        setStream = (delegate* unmanaged<nint, nint, int>)find("cublasSetStream_v2");
        setWorkspace = (delegate* unmanaged<nint, nint, nuint, int>)find("cublasSetWorkspace_v2");
        setMathMode = (delegate* unmanaged<nint, int, int>)find("cublasSetMathMode");
        gemmEx = (delegate* unmanaged<nint, int, int, int, int, int, float*, nint, int, int, nint, int, int, float*, nint, int, int, int, int, int>)
            find("cublasGemmEx");
    }

    private static string[] Files => OperatingSystem.IsWindows()
        ? ["cublas64_13.dll", "cublas64_12.dll", "cublas64_11.dll"]
        : ["libcublas.so.13", "libcublas.so.12", "libcublas.so.11"];

    /// <summary>Looks for the library; null where there is none.</summary>
    public static ICublas? Find()
    {
        foreach (var file in Files)
            if (NativeLibrary.TryLoad(file, out var library))
                return Bind(name => NativeLibrary.TryGetExport(library, name, out var address) ? address : 0);
        return null;
    }

    public nint Open(nint stream, nint workspace, long workspaceBytes)
    {
        nint handle;
        Check(create(&handle), "cublasCreate", null);
        Check(setStream(handle, stream), "cublasSetStream", null);
        Check(setWorkspace(handle, workspace, (nuint)workspaceBytes), "cublasSetWorkspace", null);
        Check(setMathMode(handle, DisallowReducedPrecisionReduction), "cublasSetMathMode", null);
        return handle;
    }

    public void Close(nint handle) => _ = destroy(handle);

    public void Multiply(nint handle, in Tensor a, bool transposeA, in Tensor b, bool transposeB, in Tensor c, float beta, float alpha)
    {
        // cuBLAS counts columns first, so it is asked for the transposed product.
        var depth = transposeA ? a.Rows : a.Columns;
        var result = gemmEx(handle, transposeB ? 1 : 0, transposeA ? 1 : 0, c.Columns, c.Rows, depth, &alpha,
            b.Pointer, TypeOf(b), b.Stride, a.Pointer, TypeOf(a), a.Stride, &beta, c.Pointer, TypeOf(c), c.Stride, Compute32F, DefaultAlgorithm);
        if (result != 0) Check(result, "cublasGemmEx", $"operands {a}, {b}, {c}");
    }

    private static int TypeOf(in Tensor tensor) => tensor.Type switch
    {
        DType.Float32 => 0,
        DType.Float16 => 2,
        DType.BFloat16 => 14,
        _ => throw new ArgumentException($"no matrix product of {tensor}"),
    };

    /// <summary>The functions of a library; null where it lacks one.</summary>
    public static ICublas? Bind(Func<string, nint> find)
    {
        var all = true;
        var cublas = new Cublas(name =>
        {
            var address = find(name);
            all &= address != 0;
            return address;
        });
        return all ? cublas : null;
    }

    private static void Check(int result, string call, string? where)
    {
        if (result == 0) return;
        const int AllocationFailed = 3;
        if (result == AllocationFailed)
            throw new ResourceException($"The device has not enough memory: {call} answered {result}.", where, "Use a smaller batch.");
        throw new CudaException($"cuBLAS refused: {call} answered {result}.", where);
    }
}
