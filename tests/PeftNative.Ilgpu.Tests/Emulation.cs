namespace PeftNative.Ilgpu.Tests;

/// <summary>
/// The backend on ILGPU's emulation; shared by a class of tests, because every instance compiles its kernels anew.
/// </summary>
public sealed class Emulation : IDisposable
{
    public IlgpuBackend Backend { get; } = IlgpuBackends.CreateOnProcessor();

    public void Dispose() => Backend.Dispose();
}
