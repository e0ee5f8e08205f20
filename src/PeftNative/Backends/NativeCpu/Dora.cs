using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DoraScaleOp op) => CpuLibrary.Check(DoraScaleForward(context, op));

    /// <inheritdoc/>
    public void Backward(in DoraScaleOp op, in DoraScaleGradients gradients) =>
        CpuLibrary.Check(DoraScaleBackward(context, op, gradients));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dora_scale_forward")]
    private static partial NativeStatus DoraScaleForward(CpuContext context, in DoraScaleOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dora_scale_backward")]
    private static partial NativeStatus DoraScaleBackward(CpuContext context, in DoraScaleOp op,
        in DoraScaleGradients gradients);
}
