using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DropoutOp op) => CpuLibrary.Check(DropoutForward(context, op));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dropout_forward")]
    private static partial NativeStatus DropoutForward(CpuContext context, in DropoutOp op);
}
