using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in DoraScaleOp op)
    {
        var adapted = Matrix.Load(op.W);
        adapted.Add(Matrix.Load(op.B).Times(Matrix.Load(op.A)), op.Scale);
        for (var n = 0; n < adapted.Rows; n++)
        {
            var norm = Math.Sqrt(Matrix.Dot(adapted.Row(n), adapted.Row(n)));
            var magnitude = Elements.Get(op.Magnitude, 0, n);
            Elements.Set(op.Norm, 0, n, norm);
            if (op.G.IsPresent) Elements.Set(op.G, 0, n, magnitude / norm);
        }
    }

    /// <inheritdoc/>
    public void Backward(in DoraScaleOp op, in DoraScaleGradients gradients)
    {
        var norm = Matrix.Load(op.Norm);
        Matrix.Load(gradients.DG).Map((g, _, n) => g / norm[0, n]).AddTo(gradients.DMagnitude);         // +=
    }
}
