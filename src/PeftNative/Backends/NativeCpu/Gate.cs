using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in GateOp op) => CpuLibrary.Check(GateForward(context, op));

    /// <inheritdoc/>
    public void Backward(in GateOp op, in GateGradients gradients) =>
        CpuLibrary.Check(GateBackward(context, op, gradients));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_gate_forward")]
    private static partial NativeStatus GateForward(CpuContext context, in GateOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_gate_backward")]
    private static partial NativeStatus GateBackward(CpuContext context, in GateOp op, in GateGradients gradients);
}
