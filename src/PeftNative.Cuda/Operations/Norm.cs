using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <summary>
    /// Rows whose gradients of gain and shift are summed by one block, so that many rows keep many blocks busy.
    /// </summary>
    private const int NormRowsPerPart = 256;

    private const int NormRowLanes = 8;

    /// <inheritdoc/>
    public void Forward(in NormOp op)
    {
        var arguments = new KernelArguments();
        arguments.Add(new KernelNorm(op)).Add(op.Y);
        Launch(kernels.Get("norm", "norm_forward", op.X.Type), NormGroups(op), arguments);
    }

    /// <inheritdoc/>
    public void Backward(in NormOp op, in NormGradients gradients)
    {
        if (op.X.Rows == 0) return;
        // First the vectors: dX may take the place of dY.
        if (gradients.DGamma.IsPresent || gradients.DBeta.IsPresent) NormVectorGradients(op, gradients);
        var arguments = new KernelArguments();
        arguments.Add(new KernelNorm(op)).Add(gradients.DY).Add(gradients.DX).Add(gradients.AccumulateDX ? 1 : 0);
        Launch(kernels.Get("norm", "norm_backward", op.X.Type), NormGroups(op), arguments);
    }

    private void NormVectorGradients(in NormOp op, in NormGradients gradients)
    {
        var (width, parts) = (op.X.Columns / op.Groups, Cover(op.X.Rows, NormRowsPerPart));
        workspace.Begin(Workspace.Size(DType.Float32, 2 * parts, width));
        var partials = workspace.Take(DType.Float32, 2 * parts, width);
        var rows = new KernelArguments();
        rows.Add(new KernelNorm(op)).Add(gradients.DY).Add(NormRowsPerPart).Add(partials.Pointer);
        Launch(kernels.Get("norm", "norm_vector_gradients", op.X.Type),
            new(new(Cover(width, WarpSize), parts), new(WarpSize, NormRowLanes)), rows);
        var sums = new KernelArguments();
        sums.Add(partials.Pointer).Add(parts).Add(width).Add(gradients.DGamma).Add(gradients.DBeta);
        var threads = ThreadsFor(width);
        Launch(kernels.Get("norm", "norm_vector_sums", DType.Float32), new(Cover(width, threads), threads), sums);
    }

    /// <summary>A block for every group of every row.</summary>
    private static LaunchShape NormGroups(in NormOp op) =>
        new(checked(op.X.Rows * op.Groups), ThreadsFor(op.X.Columns / op.Groups));

    /// <summary>The layout of <c>Norm</c> in kernels/norm.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct KernelNorm(in NormOp op)
    {
        public readonly Tensor X = op.X, Gamma = op.Gamma, Beta = op.Beta, Mean = op.Mean, Rstd = op.Rstd;
        public readonly float Epsilon = (float)op.Epsilon, GammaOffset = (float)op.GammaOffset;
        public readonly int Groups = op.Groups, Centered = op.Kind == NormKind.LayerNorm ? 1 : 0;
    }
}
