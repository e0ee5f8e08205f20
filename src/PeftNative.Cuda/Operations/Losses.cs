using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Run(in CrossEntropyOp op)
    {
        if (integers.TryGet(op.Labels, out var labels)) CheckLabels(labels, op.Logits.Columns);
        if (op.Correct.IsPresent) integers.Forget(op.Correct);
        var arguments = new KernelArguments();
        arguments.Add(op.Logits).Add(op.Labels).Add(op.Loss).Add(op.Correct).Add(op.Gradient ? 1 : 0);
        arguments.Add((float)op.GradientScale).Add(GradientScaleAddress).Add((float)op.SoftCap);
        Launch(kernels.Get("losses", "cross_entropy_run", op.Logits.Type),
            new(op.Logits.Rows, ThreadsFor(op.Logits.Columns)), arguments);
    }

    /// <inheritdoc/>
    public void Run(in RegressionLossOp op)
    {
        var arguments = new KernelArguments();
        arguments.Add(op.Logits).Add(op.Targets).Add((int)op.Kind).Add(op.Loss).Add(op.Gradient ? 1 : 0);
        arguments.Add((float)op.GradientScale).Add(GradientScaleAddress);
        Launch(kernels.Get("losses", "regression_loss_run", op.Logits.Type),
            new(op.Logits.Rows, ThreadsFor(op.Logits.Columns)), arguments);
    }

    private static void CheckLabels(ReadOnlySpan<int> labels, int vocabulary)
    {
        for (var i = 0; i < labels.Length; i++)
            if ((uint)labels[i] >= (uint)vocabulary)
                throw new DataException(
                    $"The CUDA backend refused: cross-entropy: Labels[{i}] is {labels[i]}, outside [0, {vocabulary}).");
    }
}
