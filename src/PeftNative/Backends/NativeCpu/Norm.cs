using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in NormOp op) => CpuLibrary.Check(NormForward(context, op));

    /// <inheritdoc/>
    public void Backward(in NormOp op, in NormGradients gradients) =>
        CpuLibrary.Check(NormBackward(context, op, gradients));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_norm_forward")]
    private static partial NativeStatus NormForward(CpuContext context, in NormOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_norm_backward")]
    private static partial NativeStatus NormBackward(CpuContext context, in NormOp op, in NormGradients gradients);
}
