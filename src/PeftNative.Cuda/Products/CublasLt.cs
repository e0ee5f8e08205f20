using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>
/// A cuBLASLt loaded by name: version 13, 12 or 11, or that of the emulator. Its entry points, failures made
/// exceptions; attributes go by number and have an exact size.
/// </summary>
internal sealed unsafe class CublasLt : ICublas
{
    private readonly CublasLtOptions options;
    private readonly delegate* unmanaged<nuint> getVersion;
    private readonly delegate* unmanaged<nint*, int> create, preferenceCreate;
    private readonly delegate* unmanaged<nint*, int, int, int> descriptorCreate;
    private readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> layoutCreate;
    private readonly delegate* unmanaged<nint, int> destroy, descriptorDestroy, layoutDestroy, preferenceDestroy;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> descriptorSet, preferenceSet;
    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, LtHeuristicResult*, int*,
        int> getHeuristic;
    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, LtAlgorithm*, LtHeuristicResult*,
        int> checkAlgorithm;
    private readonly delegate* unmanaged<LtAlgorithm*, int, void*, nuint, nuint*, int> getCapability;
    private readonly delegate* unmanaged<nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint,
        LtAlgorithm*, nint, nuint, nint, int>
        matmul;

    private CublasLt(Func<string, nint> find, CublasLtOptions options)
    {
        this.options = options;
        getVersion = (delegate* unmanaged<nuint>)find("cublasLtGetVersion");
        create = (delegate* unmanaged<nint*, int>)find("cublasLtCreate");
        destroy = (delegate* unmanaged<nint, int>)find("cublasLtDestroy");
        descriptorCreate = (delegate* unmanaged<nint*, int, int, int>)find("cublasLtMatmulDescCreate");
        descriptorDestroy = (delegate* unmanaged<nint, int>)find("cublasLtMatmulDescDestroy");
        descriptorSet = (delegate* unmanaged<nint, int, void*, nuint, int>)find("cublasLtMatmulDescSetAttribute");
        layoutCreate = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)find("cublasLtMatrixLayoutCreate");
        layoutDestroy = (delegate* unmanaged<nint, int>)find("cublasLtMatrixLayoutDestroy");
        preferenceCreate = (delegate* unmanaged<nint*, int>)find("cublasLtMatmulPreferenceCreate");
        preferenceDestroy = (delegate* unmanaged<nint, int>)find("cublasLtMatmulPreferenceDestroy");
        preferenceSet = (delegate* unmanaged<nint, int, void*, nuint, int>)find("cublasLtMatmulPreferenceSetAttribute");
        getHeuristic = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int,
            LtHeuristicResult*, int*, int>)
            find("cublasLtMatmulAlgoGetHeuristic");
        checkAlgorithm = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, LtAlgorithm*,
            LtHeuristicResult*, int>)
            find("cublasLtMatmulAlgoCheck");
        getCapability = (delegate* unmanaged<LtAlgorithm*, int, void*, nuint, nuint*,
            int>)find("cublasLtMatmulAlgoCapGetAttribute");
        matmul = (delegate* unmanaged<nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint,
            LtAlgorithm*, nint, nuint, nint, int>)
            find("cublasLtMatmul");
    }

    public string Name => $"cuBLASLt {Version}" + (options.Mode == CublasLtMode.Tune ? ", tuned" : "");

    public bool HasEpilogue => true;

    /// <summary>
    /// Major, minor and patch, such as 12.6.4: its heuristic and the bits of an algorithm are those of one version.
    /// </summary>
    public string Version => (int)getVersion() is var v && v >= 100_000
        ? $"{v / 10_000}.{v / 100 % 100}.{v % 100}"
        : $"{(int)getVersion()}";

    private static string[] Files => OperatingSystem.IsWindows()
        ? ["cublasLt64_13.dll", "cublasLt64_12.dll", "cublasLt64_11.dll"]
        : ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"];

    /// <summary>Looks for the library; null where there is none.</summary>
    public static CublasLt? Find(CublasLtOptions options)
    {
        foreach (var file in Files)
            if (NativeLibrary.TryLoad(file, out var library))
                return Bind(name => NativeLibrary.TryGetExport(library, name, out var address) ? address : 0, options);
        return null;
    }

    /// <summary>The functions of a library; null where it lacks one.</summary>
    public static CublasLt? Bind(Func<string, nint> find, CublasLtOptions options)
    {
        var all = true;
        var library = new CublasLt(name =>
        {
            var address = find(name);
            all &= address != 0;
            return address;
        }, options);
        return all ? library : null;
    }

    public ICublasHandle Open(CudaDevice device, CudaMemory workspace) =>
        new CublasLtHandle(this, options, device, workspace);

    public nint Create()
    {
        nint handle;
        CublasCall.Check(create(&handle), "cublasLtCreate");
        return handle;
    }

    public void Destroy(nint handle) => _ = handle == 0 ? 0 : destroy(handle);

    public nint CreateDescriptor()
    {
        nint descriptor;
        const int factorsInFp32 = 0;
        CublasCall.Check(descriptorCreate(&descriptor, CublasCall.Compute32F, factorsInFp32),
            "cublasLtMatmulDescCreate");
        return descriptor;
    }

    public void Set<T>(nint descriptor, LtDescriptorAttribute attribute, T value)
        where T : unmanaged =>
        CublasCall.Check(descriptorSet(descriptor, (int)attribute, &value, (nuint)sizeof(T)),
            $"cublasLtMatmulDescSetAttribute({attribute})");

    public void DestroyDescriptor(nint descriptor) => _ = descriptor == 0 ? 0 : descriptorDestroy(descriptor);

    /// <summary>The layout of a matrix: cuBLASLt counts columns first, so rows are its columns.</summary>
    public nint CreateLayout(in Tensor tensor)
    {
        nint layout;
        CublasCall.Check(layoutCreate(&layout, CublasCall.TypeOf(tensor), (ulong)tensor.Columns, (ulong)tensor.Rows,
            tensor.Stride),
            $"cublasLtMatrixLayoutCreate for {tensor}");
        return layout;
    }

    public void DestroyLayout(nint layout) => _ = layout == 0 ? 0 : layoutDestroy(layout);

    public nint CreatePreference()
    {
        nint preference;
        CublasCall.Check(preferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
        return preference;
    }

    public void Set<T>(nint preference, LtPreferenceAttribute attribute, T value)
        where T : unmanaged =>
        CublasCall.Check(preferenceSet(preference, (int)attribute, &value, (nuint)sizeof(T)),
            $"cublasLtMatmulPreferenceSetAttribute({attribute})");

    public void DestroyPreference(nint preference) => _ = preference == 0 ? 0 : preferenceDestroy(preference);

    /// <summary>Algorithms for a product, best first; returns their number and the status.</summary>
    public int GetHeuristic(nint handle, CublasLtPlan plan, nint preference, Span<LtHeuristicResult> results,
        out int count)
    {
        count = 0;
        fixed (LtHeuristicResult* first = results)
        fixed (int* n = &count)
            return getHeuristic(handle, plan.Descriptor, plan.First, plan.Second, plan.Source, plan.Result, preference,
                results.Length, first, n);
    }

    /// <summary>Whether a product can be made by an algorithm, with so much workspace.</summary>
    public bool Takes(nint handle, CublasLtPlan plan, LtAlgorithm algorithm, long workspaceBytes)
    {
        LtHeuristicResult result;
        var status = checkAlgorithm(handle, plan.Descriptor, plan.First, plan.Second, plan.Source, plan.Result,
            &algorithm, &result);
        return status == 0 && result.State == 0 && (long)result.WorkspaceBytes <= workspaceBytes;
    }

    /// <summary>Whether C may lie elsewhere than the result.</summary>
    public bool TakesSourceElsewhere(LtAlgorithm algorithm)
    {
        const int outOfPlace = 4;
        int answer;
        nuint written;
        CublasCall.Check(getCapability(&algorithm, outOfPlace, &answer, sizeof(int), &written),
            "cublasLtMatmulAlgoCapGetAttribute");
        return answer != 0;
    }

    /// <summary>Starts a product; returns the status.</summary>
    public int Multiply(nint handle, CublasLtPlan plan, in MatrixProduct product, LtAlgorithm algorithm,
        CudaMemory workspace, nint stream)
    {
        var (alpha, beta) = (product.Alpha, product.Beta);
        // Columns first, so the transposed product: the second operand comes first.
        return matmul(handle, plan.Descriptor, &alpha, product.B.Pointer, plan.First, product.A.Pointer,
            plan.Second, &beta,
            product.Source.Pointer, plan.Source, product.Result.Pointer, plan.Result, &algorithm, workspace.Pointer,
            (nuint)workspace.Bytes, stream);
    }
}
