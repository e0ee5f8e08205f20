using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Run(in AdamWOp op)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.Values).Add(op.Gradients).Add(op.FirstMoment).Add(op.SecondMoment).Add(new AdamWFactors(op));
        Launch(kernels.Get("adamw", "adamw_run", op.Values.Type), Pieces(op.Values), arguments);
    }

    /// <summary>The layout of <c>AdamWFactors</c> in kernels/adamw.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct AdamWFactors(in AdamWOp op)
    {
        public readonly float Beta1 = (float)op.Beta1, Rest1 = (float)(1 - op.Beta1);
        public readonly float Beta2 = (float)op.Beta2, Rest2 = (float)(1 - op.Beta2);
        public readonly float Shrink = (float)(1 - op.LearningRate * op.WeightDecay);
        public readonly float Step = (float)(op.LearningRate / (1 - Math.Pow(op.Beta1, op.Step)));
        public readonly float RootCorrection = (float)(1 / Math.Sqrt(1 - Math.Pow(op.Beta2, op.Step)));
        public readonly float Epsilon = (float)op.Epsilon;
        public readonly float GradientScale = (float)op.GradientScale;
    }
}
