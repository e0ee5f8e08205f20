using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Backends.NativeCpu;

/// <summary>
/// Host memory of the native library: aligned to cache lines, big blocks on huge pages where the system has them.
/// </summary>
internal sealed partial class CpuMemory(long bytes, string purpose) : DeviceMemory(Take(bytes, purpose), bytes)
{
    public override void Dispose()
    {
        Free(Pointer);
        Pointer = 0;
    }

    private static nint Take(long bytes, string purpose) => Allocate(bytes, out var memory) == NativeStatus.Ok
        ? memory
        : throw new ResourceException($"The host cannot give {bytes:N0} bytes.", purpose,
            "Use a smaller batch, shorter sequences or a smaller model.");

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_allocate")]
    private static partial NativeStatus Allocate(long bytes, out nint memory);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_free")]
    private static partial void Free(nint memory);
}
