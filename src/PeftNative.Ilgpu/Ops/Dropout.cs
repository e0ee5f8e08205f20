using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in DropoutOp op) => Each(DropoutKernels.Forward, op.X.Count, new DropoutArguments
    {
        X = View(op.X),
        Y = View(op.Y),
        Mask = MaskOf(op.Mask),
        Accumulate = op.Accumulate ? 1 : 0,
    });

    private static Mask MaskOf(DropoutMask mask) => mask.IsOn
        ? new Mask
        {
            Key = mask.Key,
            Stream = mask.Stream,
            Threshold = (uint)Math.Ceiling(mask.Probability * 4294967296.0),
            Factor = (float)(1 / (1 - (double)mask.Probability)),
        }
        : default;
}
