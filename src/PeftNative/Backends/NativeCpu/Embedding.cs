using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Forward(in EmbeddingOp op) => CpuLibrary.Check(EmbeddingForward(context, op));

    /// <inheritdoc/>
    public void Backward(in EmbeddingOp op, in EmbeddingGradients gradients) =>
        CpuLibrary.Check(EmbeddingBackward(context, op, gradients));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_embedding_forward")]
    private static partial NativeStatus EmbeddingForward(CpuContext context, in EmbeddingOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_embedding_backward")]
    private static partial NativeStatus EmbeddingBackward(CpuContext context, in EmbeddingOp op,
        in EmbeddingGradients gradients);
}
