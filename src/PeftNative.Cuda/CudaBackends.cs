using PeftNative.Backends;
using PeftNative.Cuda.Libraries;

namespace PeftNative.Cuda;

/// <summary>Makes the backends of this assembly known to <see cref="BackendFactory"/>.</summary>
public static class CudaBackends
{
    /// <summary>Registers <c>cuda</c>, which "auto" prefers, and <c>cuda-emulated</c>, which must be named.</summary>
    public static void Register()
    {
        BackendFactory.Register(Provider("cuda", BackendOrder.Gpu, false));
        BackendFactory.Register(Provider("cuda-emulated", BackendOrder.OnlyByName, true));
    }

    private static BackendProvider Provider(string name, BackendOrder order, bool emulated) =>
        new(name, order, CudaBackend.Types,
        () => DriverLibraries.Find(emulated, out var problem) is null ? problem : null,
        options => CudaBackend.Create(options.Type, options.Device, emulated));
}
