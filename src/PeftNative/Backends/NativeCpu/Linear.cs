using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.NativeCpu;

/// <summary><see cref="LinearOp"/> with addresses in place of references: <c>pn_linear</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeLinear
{
    public Tensor X, W, WMaxima;
    public Tensor Bias;
    public LowRankPair* LowRank;
    public int LowRankCount;
    public Tensor InputScale, OutputScale;
    public bool ScaleBeforeBias;
    public Tensor PreScale, Residual, Y;

    public NativeLinear(in LinearOp op, LowRankPair* lowRank)
    {
        (X, W, WMaxima, Bias) = (op.X, op.W, op.WMaxima, op.Bias);
        LowRank = lowRank;
        LowRankCount = op.LowRankCount;
        (InputScale, OutputScale, ScaleBeforeBias) = (op.InputScale, op.OutputScale, op.ScaleBeforeBias);
        (PreScale, Residual, Y) = (op.PreScale, op.Residual, op.Y);
    }
}

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public bool MultipliesCodes => true;

    /// <inheritdoc/>
    public bool ReadsMappedFiles => true;

    /// <inheritdoc/>
    public unsafe void Forward(in LinearOp op)
    {
        CheckPairs(op);
        fixed (LowRankPair* pairs = op.LowRank)
            CpuLibrary.Check(LinearForward(context, new NativeLinear(op, pairs)));
    }

    /// <inheritdoc/>
    public unsafe void Backward(in LinearOp op, in LinearGradients gradients)
    {
        CheckPairs(op);
        fixed (LowRankPair* pairs = op.LowRank)
            CpuLibrary.Check(LinearBackward(context, new NativeLinear(op, pairs), gradients));
    }

    private static void CheckPairs(in LinearOp op)
    {
        if (op.LowRankCount > (op.LowRank?.Length ?? 0))
            throw new ArgumentException(
                $"a linear operation names {op.LowRankCount} low-rank pairs but has {op.LowRank?.Length ?? 0}");
    }

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_linear_forward")]
    private static partial NativeStatus LinearForward(CpuContext context, in NativeLinear op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_linear_backward")]
    private static partial NativeStatus LinearBackward(CpuContext context, in NativeLinear op,
        in LinearGradients gradients);
}
