using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in RopeOp op) => Rotate(op, 1);

    /// <inheritdoc/>
    public void Backward(in RopeOp op) => Rotate(op, -1);

    /// <summary>Turns by the angle (direction 1) or back (direction -1).</summary>
    private static void Rotate(in RopeOp op, int direction)
    {
        var half = op.Cos.Columns;
        for (var m = 0; m < op.X.Rows; m++)
            for (var h = 0; h < op.Heads; h++)
                for (var i = 0; i < half; i++)
                {
                    var position = Elements.Int(op.Positions, m);
                    var cos = Elements.Get(op.Cos, position, i);
                    var sin = direction * Elements.Get(op.Sin, position, i);
                    var (first, second) = (h * op.HeadStride + i, h * op.HeadStride + half + i);
                    var (a, b) = (Elements.Get(op.X, m, first), Elements.Get(op.X, m, second));
                    Elements.Set(op.X, m, first, a * cos - b * sin);
                    Elements.Set(op.X, m, second, b * cos + a * sin);
                }
    }
}
