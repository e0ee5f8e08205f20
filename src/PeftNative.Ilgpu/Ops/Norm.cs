using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in NormOp op) => Groups(NormKernels.Forward, (long)op.X.Rows * op.Groups, ArgumentsOf(op));

    /// <inheritdoc/>
    public void Backward(in NormOp op, in NormGradients gradients)
    {
        var arguments = new NormBackwardArguments
        {
            Norm = ArgumentsOf(op),
            DY = View(gradients.DY),
            DX = View(gradients.DX),
            DGamma = View(gradients.DGamma),
            DBeta = View(gradients.DBeta),
            Accumulate = gradients.AccumulateDX ? 1 : 0,
        };
        // The parameters first: DX may take the place of DY.
        if (gradients.DGamma.IsPresent || gradients.DBeta.IsPresent)
            Each(NormKernels.Parameters, op.X.Columns / op.Groups, arguments);
        if (gradients.DX.IsPresent) Groups(NormKernels.Backward, (long)op.X.Rows * op.Groups, arguments);
    }

    private NormArguments ArgumentsOf(in NormOp op) => new()
    {
        X = View(op.X),
        Gamma = View(op.Gamma),
        Beta = View(op.Beta),
        Mean = View(op.Mean),
        Rstd = View(op.Rstd),
        Y = View(op.Y),
        Epsilon = (float)op.Epsilon,
        GammaOffset = (float)op.GammaOffset,
        Groups = op.Groups,
        IsLayerNorm = op.Kind == NormKind.LayerNorm ? 1 : 0,
    };
}
