using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in AttentionOp op) => CpuLibrary.Check(AttentionForward(context, op));

    /// <inheritdoc/>
    public void Backward(in AttentionOp op, in AttentionGradients gradients) =>
        CpuLibrary.Check(AttentionBackward(context, op, gradients));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_attention_forward")]
    private static partial NativeStatus AttentionForward(CpuContext context, in AttentionOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_attention_backward")]
    private static partial NativeStatus AttentionBackward(CpuContext context, in AttentionOp op,
        in AttentionGradients gradients);
}
