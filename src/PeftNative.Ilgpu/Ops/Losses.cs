using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Run(in CrossEntropyOp op) => Groups(LossKernels.CrossEntropy, op.Logits.Rows, new CrossEntropyArguments
    {
        Logits = View(op.Logits),
        Loss = View(op.Loss),
        Labels = Integers(op.Labels),
        Correct = Integers(op.Correct),
        Gradient = op.Gradient ? 1 : 0,
        GradientScale = (float)op.GradientScale,
        SoftCap = (float)op.SoftCap,
    });

    /// <inheritdoc/>
    public void Run(in RegressionLossOp op) => Each(LossKernels.Regression, op.Logits.Rows, new RegressionLossArguments
    {
        Logits = View(op.Logits),
        Targets = View(op.Targets),
        Loss = View(op.Loss),
        Kind = (int)op.Kind,
        Gradient = op.Gradient ? 1 : 0,
        GradientScale = (float)op.GradientScale,
    });
}
