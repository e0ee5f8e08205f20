using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Run(in AdamWOp op)
    {
        var correction1 = 1 - Math.Pow(op.Beta1, op.Step);
        var correction2 = 1 - Math.Pow(op.Beta2, op.Step);
        for (var i = 0; i < op.Values.Columns; i++)
        {
            var g = op.GradientScale * Elements.Get(op.Gradients, 0, i);
            var m = op.Beta1 * Elements.Get(op.FirstMoment, 0, i) + (1 - op.Beta1) * g;
            var v = op.Beta2 * Elements.Get(op.SecondMoment, 0, i) + (1 - op.Beta2) * g * g;
            var theta = Elements.Get(op.Values, 0, i) * (1 - op.LearningRate * op.WeightDecay);
            theta -= op.LearningRate / correction1 * m / (Math.Sqrt(v) / Math.Sqrt(correction2) + op.Epsilon);
            Elements.Set(op.Values, 0, i, theta);
            Elements.Set(op.FirstMoment, 0, i, m);
            Elements.Set(op.SecondMoment, 0, i, v);
        }
    }
}
