using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in GatherOp op)
    {
        for (var i = 0; i < op.Y.Rows; i++)
            for (var d = 0; d < op.Y.Columns; d++)
                Elements.Set(op.Y, i, d, Elements.Get(op.X, Elements.Int(op.Rows, i), d));
    }

    /// <inheritdoc/>
    public void Backward(in GatherOp op, in GatherGradients gradients)
    {
        for (var i = 0; i < gradients.DY.Rows; i++)
            AddRow(gradients.DY, i, 1, gradients.DX, Elements.Int(op.Rows, i));     // +=
    }
}
