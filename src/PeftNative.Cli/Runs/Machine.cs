using PeftNative.Backends;
using PeftNative.Cli.Options;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cli.Runs;

/// <summary>Makes what --backend, --dtype and --threads ask for.</summary>
internal static class Machine
{
    /// <summary>Creates the backend.</summary>
    public static IBackend CreateBackend(SettingValues values)
    {
        var type = values.Text(Shared.DType) switch
        {
            "bf16" => DType.BFloat16,
            "fp64" => DType.Float64,
            _ => DType.Float32,
        };
        return BackendFactory.Create(values.Text(Shared.Backend), type, (int?)values.OptionalWhole(Shared.Threads));
    }
}
