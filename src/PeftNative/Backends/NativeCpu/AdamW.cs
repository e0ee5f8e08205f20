using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Run(in AdamWOp op) => CpuLibrary.Check(AdamWRun(context, op));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_adamw_run")]
    private static partial NativeStatus AdamWRun(CpuContext context, in AdamWOp op);
}
