using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op) => CpuLibrary.Check(DequantizeForward(context, op));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dequantize_forward")]
    private static partial NativeStatus DequantizeForward(CpuContext context, in DequantizeOp op);
}
