using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in EmbeddingOp op)
    {
        for (var i = 0; i < op.Y.Rows; i++)
            for (var d = 0; d < op.Y.Columns; d++)
            {
                var value = TokenEmbedding(op, Elements.Int(op.Tokens, i), d);
                if (op.PositionTable.IsPresent)
                    value += Elements.Get(op.PositionTable, Elements.Int(op.Positions, i), d);
                if (op.TypeTable.IsPresent) value += Elements.Get(op.TypeTable, Elements.Int(op.Types, i), d);
                Elements.Set(op.Y, i, d, value);
            }
    }

    /// <inheritdoc/>
    public void Backward(in EmbeddingOp op, in EmbeddingGradients gradients)
    {
        var dy = gradients.DY;
        for (var i = 0; i < dy.Rows; i++)
        {
            var token = Elements.Int(op.Tokens, i);
            if (token < 0) AddRow(dy, i, 1, gradients.DVirtual, -1 - token);                        // +=
            else AddRow(dy, i, op.TokenScale, gradients.DTable, token);                             // +=
            if (gradients.DPositionTable.IsPresent)
                AddRow(dy, i, 1, gradients.DPositionTable, Elements.Int(op.Positions, i));          // +=
            if (gradients.DTypeTable.IsPresent)
                AddRow(dy, i, 1, gradients.DTypeTable, Elements.Int(op.Types, i));                  // +=
        }
        if (op.A.IsPresent) EmbeddingLowRankBackward(op, gradients);
    }

    private static double TokenEmbedding(in EmbeddingOp op, int token, int d)
    {
        if (token < 0) return Elements.Get(op.Virtual, -1 - token, d);
        var value = Elements.Get(op.Table, token, d);
        for (var r = 0; r < op.A.Rows; r++)
            value += op.LowRankScale * Elements.Get(op.A, r, token) * Elements.Get(op.B, d, r);
        return op.TokenScale * value;
    }

    private static void EmbeddingLowRankBackward(in EmbeddingOp op, in EmbeddingGradients gradients)
    {
        var dy = Matrix.Load(gradients.DY);
        var b = Matrix.Load(op.B);
        var da = new Matrix(op.A.Rows, op.A.Columns);
        var db = new Matrix(b.Rows, b.Columns);
        for (var i = 0; i < dy.Rows; i++)
        {
            var token = Elements.Int(op.Tokens, i);
            if (token < 0) continue;
            for (var r = 0; r < b.Columns; r++)
                for (var d = 0; d < b.Rows; d++)
                {
                    var g = op.TokenScale * op.LowRankScale * dy[i, d];
                    da[r, token] += g * b[d, r];
                    db[d, r] += g * Elements.Get(op.A, r, token);
                }
        }
        da.AddTo(gradients.DA);                                                                     // +=
        db.AddTo(gradients.DB);                                                                     // +=
    }

    /// <summary>target[targetRow] += factor · source[sourceRow]; nothing when the target is absent.</summary>
    private static void AddRow(in Tensor source, int sourceRow, double factor, in Tensor target, int targetRow)
    {
        if (!target.IsPresent) return;
        for (var d = 0; d < source.Columns; d++)
            Elements.Add(target, targetRow, d, factor * Elements.Get(source, sourceRow, d));
    }
}
