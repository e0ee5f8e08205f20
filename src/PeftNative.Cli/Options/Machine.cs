using PeftNative.Backends;
using PeftNative.Cuda;
using PeftNative.Ilgpu;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cli.Options;

/// <summary>Makes what --backend, --dtype, --device and --threads ask for.</summary>
internal static class Machine
{
    // The backends of other assemblies: one call each, so that nothing is found by reflection.
    static Machine()
    {
        CudaBackends.Register();
        IlgpuBackends.Register();
        BackendNames = BackendFactory.Names;
    }

    /// <summary>The names of all backends of this program.</summary>
    public static IReadOnlyList<string> BackendNames { get; }

    /// <summary>Every backend of this program and whether it works here.</summary>
    public static IReadOnlyList<BackendStatus> Survey() => BackendFactory.Survey();

    /// <summary>Creates the backend, in the type of --dtype.</summary>
    public static IBackend CreateBackend(SettingValues values) => CreateBackend(values, values.Text(Shared.DType) switch
    {
        "bf16" => DType.BFloat16,
        "fp64" => DType.Float64,
        _ => DType.Float32,
    });

    /// <summary>Creates the backend for a verb that computes in one type only.</summary>
    public static IBackend CreateBackend(SettingValues values, DType type) => BackendFactory.Create(
        values.Text(Shared.Backend), type, (int?)values.OptionalWhole(Shared.Threads),
        (int)values.Whole(Shared.Device));
}
