using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DequantizeOp op)
    {
        if (op.Y.Type is DType.Float32 or DType.BFloat16) CpuLibrary.Check(DequantizeForward(context, op));
        else HostDequantizer.Run(this, op);
    }

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dequantize_forward")]
    private static partial NativeStatus DequantizeForward(nint context, in DequantizeOp op);
}
