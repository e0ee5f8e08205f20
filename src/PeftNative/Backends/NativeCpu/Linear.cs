using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.NativeCpu;

/// <summary><see cref="LinearOp"/> with addresses in place of references: <c>pn_linear</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeLinear
{
    public Tensor X, W;
    public nint Prepared;
    public Tensor Bias;
    public LowRankPair* LowRank;
    public int LowRankCount;
    public Tensor InputScale, OutputScale;
    public bool ScaleBeforeBias;
    public Tensor PreScale, Residual, Y;

    public NativeLinear(in LinearOp op, LowRankPair* lowRank)
    {
        (X, W, Bias) = (op.X, op.W, op.Bias);
        Prepared = op.Prepared is CpuWeight weight ? weight.Handle : 0;
        LowRank = lowRank;
        LowRankCount = op.LowRankCount;
        (InputScale, OutputScale, ScaleBeforeBias) = (op.InputScale, op.OutputScale, op.ScaleBeforeBias);
        (PreScale, Residual, Y) = (op.PreScale, op.Residual, op.Y);
    }
}

/// <summary>A weight as panels of 48 columns, one copy for both directions.</summary>
internal sealed partial class CpuWeight(nint handle) : PreparedWeight
{
    public nint Handle { get; private set; } = handle;

    public override long Bytes => GetBytes(Handle);

    public override void Dispose()
    {
        Release(Handle);
        Handle = 0;
    }

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_prepared_bytes")]
    private static partial long GetBytes(nint prepared);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_release_prepared")]
    private static partial void Release(nint prepared);
}

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    /// <remarks>Takes as much memory as the weight. The weight itself is not read any more when its prepared form is given.</remarks>
    public PreparedWeight? Prepare(in Tensor weight)
    {
        if (weight.Type != DType.Float32) return null;
        CpuLibrary.Check(Prepare(context, weight, out var prepared));
        return new CpuWeight(prepared);
    }

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

    /// <inheritdoc/>
    public void Forward(in DoraScaleOp op) => CpuLibrary.Check(DoraScaleForward(context, op));

    /// <inheritdoc/>
    public void Backward(in DoraScaleOp op, in DoraScaleGradients gradients) =>
        CpuLibrary.Check(DoraScaleBackward(context, op, gradients));

    private static void CheckPairs(in LinearOp op)
    {
        if (op.LowRankCount > (op.LowRank?.Length ?? 0))
            throw new ArgumentException($"a linear operation names {op.LowRankCount} low-rank pairs but has {op.LowRank?.Length ?? 0}");
    }

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_prepare")]
    private static partial NativeStatus Prepare(nint context, in Tensor weight, out nint prepared);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_linear_forward")]
    private static partial NativeStatus LinearForward(nint context, in NativeLinear op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_linear_backward")]
    private static partial NativeStatus LinearBackward(nint context, in NativeLinear op, in LinearGradients gradients);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dora_scale_forward")]
    private static partial NativeStatus DoraScaleForward(nint context, in DoraScaleOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_dora_scale_backward")]
    private static partial NativeStatus DoraScaleBackward(nint context, in DoraScaleOp op, in DoraScaleGradients gradients);
}
