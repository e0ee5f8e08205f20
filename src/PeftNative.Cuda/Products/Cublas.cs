using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;

namespace PeftNative.Cuda.Products;

/// <summary>A cuBLAS loaded by name: version 13, 12 or 11, or that of the emulator.</summary>
internal sealed unsafe class Cublas : ICublas
{
    private const int DefaultAlgorithm = -1;

    // Sums of bf16 and fp16 products stay fp32 to the end; TF32 is off unless it is asked for.
    private const int DisallowReducedPrecisionReduction = 16;

    private readonly delegate* unmanaged<nint*, int> create;
    private readonly delegate* unmanaged<nint, int> destroy;
    private readonly delegate* unmanaged<nint, nint, int> setStream;
    private readonly delegate* unmanaged<nint, nint, nuint, int> setWorkspace;
    private readonly delegate* unmanaged<nint, int, int> setMathMode;
    private readonly delegate* unmanaged<nint, int, int, int, int, int, float*, nint, int, int, nint, int, int, float*,
        nint, int, int, int, int, int>
        gemmEx;

    private Cublas(Func<string, nint> find)
    {
        create = (delegate* unmanaged<nint*, int>)find("cublasCreate_v2");
        destroy = (delegate* unmanaged<nint, int>)find("cublasDestroy_v2");
        setStream = (delegate* unmanaged<nint, nint, int>)find("cublasSetStream_v2");
        setWorkspace = (delegate* unmanaged<nint, nint, nuint, int>)find("cublasSetWorkspace_v2");
        setMathMode = (delegate* unmanaged<nint, int, int>)find("cublasSetMathMode");
        gemmEx = (delegate* unmanaged<nint, int, int, int, int, int, float*, nint, int, int, nint, int, int, float*,
            nint, int, int, int, int, int>)
            find("cublasGemmEx");
    }

    public string Name => "cuBLAS";

    public bool HasEpilogue => false;

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

    public ICublasHandle Open(CudaDevice device, CudaMemory workspace)
    {
        nint handle;
        CublasCall.Check(create(&handle), "cublasCreate");
        try
        {
            CublasCall.Check(setStream(handle, device.Stream), "cublasSetStream");
            CublasCall.Check(setWorkspace(handle, workspace.Pointer, (nuint)workspace.Bytes), "cublasSetWorkspace");
            CublasCall.Check(setMathMode(handle, DisallowReducedPrecisionReduction), "cublasSetMathMode");
            return new Handle(this, handle);
        }
        catch
        {
            _ = destroy(handle);
            throw;
        }
    }

    private sealed class Handle(Cublas library, nint handle) : ICublasHandle
    {
        public bool TryMultiply(in MatrixProduct product)
        {
            if (product.HasEpilogue) return false;
            var (a, b, c) = (product.A, product.B, product.Result);
            var (alpha, beta) = (product.Alpha, product.Beta);
            // cuBLAS counts columns first, so it is asked for the transposed product.
            var status = library.gemmEx(handle, product.TransposeB
                ? 1 : 0, product.TransposeA ? 1 : 0, c.Columns, c.Rows, product.Depth,
                &alpha, b.Pointer, CublasCall.TypeOf(b), b.Stride, a.Pointer, CublasCall.TypeOf(a), a.Stride,
                &beta, c.Pointer, CublasCall.TypeOf(c), c.Stride, CublasCall.Compute32F, DefaultAlgorithm);
            CublasCall.Check(status, "cublasGemmEx", product);
            return true;
        }

        public void Dispose() => _ = library.destroy(handle);
    }
}
