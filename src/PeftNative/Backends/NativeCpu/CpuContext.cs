using System.Runtime.InteropServices;

namespace PeftNative.Backends.NativeCpu;

/// <summary>
/// A context of the native library. Every call holds on to it, so one that is disposed meanwhile goes when the call has
/// returned, and a call that comes later throws instead of reading freed memory.
/// </summary>
internal sealed partial class CpuContext : SafeHandle
{
    public CpuContext(nint context) : base(invalidHandleValue: 0, ownsHandle: true) => SetHandle(context);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Destroy(handle);
        return true;
    }

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_destroy")]
    private static partial void Destroy(nint context);
}
