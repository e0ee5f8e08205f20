using PeftNative.Backends;
using PeftNative.Cuda.Driver;

namespace PeftNative.Cuda.ManagedCuda;

/// <summary>
/// Makes the CUDA backend on ManagedCuda known to <see cref="BackendFactory"/>. ManagedCuda, and so this assembly, is
/// GPLv3.
/// </summary>
public static class ManagedCudaBackends
{
    private static readonly ManagedCudaDriver Driver = new();

    /// <summary>Registers <c>cuda</c> on ManagedCuda in place of the backend's own bindings.</summary>
    public static void Register() =>
        BackendFactory.Register(new BackendProvider("cuda", BackendOrder.Gpu, CudaBackend.Types, WhyNot,
        options => CudaBackend.Create(Driver, options.Type, options.Device)));

    private static string? WhyNot()
    {
        try
        {
            var result = Driver.Init();
            return result == CudaResult.Success ? null : $"The driver cannot be started: {Driver.NameOf(result)}.";
        }
        catch (DllNotFoundException e)
        {
            return $"There is no NVIDIA driver: {e.Message.ReplaceLineEndings(" ").Trim()}";
        }
    }
}
