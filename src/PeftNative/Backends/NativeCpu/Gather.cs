using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in GatherOp op) => CpuLibrary.Check(GatherForward(context, op));

    /// <inheritdoc/>
    public void Backward(in GatherOp op, in GatherGradients gradients) =>
        CpuLibrary.Check(GatherBackward(context, op, gradients));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_gather_forward")]
    private static partial NativeStatus GatherForward(CpuContext context, in GatherOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_gather_backward")]
    private static partial NativeStatus GatherBackward(CpuContext context, in GatherOp op,
        in GatherGradients gradients);
}
