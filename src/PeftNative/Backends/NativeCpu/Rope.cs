using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in RopeOp op) => CpuLibrary.Check(RopeForward(context, op));

    /// <inheritdoc/>
    public void Backward(in RopeOp op) => CpuLibrary.Check(RopeBackward(context, op));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_rope_forward")]
    private static partial NativeStatus RopeForward(CpuContext context, in RopeOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_rope_backward")]
    private static partial NativeStatus RopeBackward(CpuContext context, in RopeOp op);
}
