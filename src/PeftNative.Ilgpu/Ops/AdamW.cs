using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Run(in AdamWOp op) => Each(AdamWKernels.Run, op.Values.Columns, new AdamWArguments
    {
        Values = View(op.Values),
        Gradients = View(op.Gradients),
        FirstMoment = View(op.FirstMoment),
        SecondMoment = View(op.SecondMoment),
        Beta1 = (float)op.Beta1,
        OneMinusBeta1 = (float)(1 - op.Beta1),
        Beta2 = (float)op.Beta2,
        OneMinusBeta2 = (float)(1 - op.Beta2),
        Decay = (float)(1 - op.LearningRate * op.WeightDecay),
        Rate = (float)(op.LearningRate / (1 - Math.Pow(op.Beta1, op.Step))),
        RootCorrection2 = (float)Math.Sqrt(1 - Math.Pow(op.Beta2, op.Step)),
        Epsilon = (float)op.Epsilon,
        GradientScale = (float)op.GradientScale,
    });
}
