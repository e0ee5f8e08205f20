using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public bool MultipliesCodes => true;

    /// <inheritdoc/>
    public bool ReadsMappedFiles => true;

    /// <inheritdoc/>
    public void Forward(in LinearOp op)
    {
        var x = Matrix.Load(op.X);
        var (scaledX, w) = (x.TimesRow(op.InputScale), Matrix.Load(op.W));
        var u = op.WMaxima.IsPresent ? TimesCodes(scaledX, w.Transposed()).TimesRow(op.WMaxima)
            : scaledX.TimesTransposed(w);
        foreach (ref var pair in Pairs(op)) AddLowRank(x, pair, u);

        var scaled = op.ScaleBeforeBias ? u : u.PlusRow(op.Bias);
        scaled.Store(op.PreScale);
        var y = scaled.TimesRow(op.OutputScale);
        if (op.ScaleBeforeBias) y = y.PlusRow(op.Bias);
        if (op.Residual.IsPresent) y.Add(Matrix.Load(op.Residual));
        y.Store(op.Y);
    }

    /// <inheritdoc/>
    public void Backward(in LinearOp op, in LinearGradients gradients)
    {
        var x = Matrix.Load(op.X);
        var w = Matrix.Load(op.W);
        var dy = Matrix.Load(gradients.DY);
        var du = dy.TimesRow(op.OutputScale);
        // The gradient of X ⊙ InputScale.
        var duw = op.WMaxima.IsPresent ? TimesCodes(du.Map((v, _, _) => (float)v).TimesRow(op.WMaxima), w)
            : du.Times(w);
        var dx = duw.TimesRow(op.InputScale).Map((v, _, _) => v);
        foreach (ref var pair in Pairs(op)) LowRankBackward(x, du, pair, dx);

        if (gradients.AccumulateDX) dx.AddTo(gradients.DX);             // +=
        else dx.Store(gradients.DX);                                    // =
        if (gradients.DW.IsPresent)
            du.Transposed().Times(x.TimesRow(op.InputScale)).AddTo(gradients.DW);                       // +=
        (op.ScaleBeforeBias ? dy : du).ColumnSums().AddTo(gradients.DBias);                             // +=
        duw.Hadamard(x).ColumnSums().AddTo(gradients.DInputScale);                                      // +=
        if (gradients.DOutputScale.IsPresent)
            dy.Hadamard(Matrix.Load(op.PreScale)).ColumnSums().AddTo(gradients.DOutputScale);           // +=
    }

    // Rows quantised, their codes times those of another matrix, times the rows' maxima, each code a 127th.
    private static Matrix TimesCodes(Matrix rows, Matrix codes)
    {
        var maxima = new float[rows.Rows];
        for (var m = 0; m < maxima.Length; m++)
            foreach (var value in rows.Row(m)) maxima[m] = Math.Max(maxima[m], Math.Abs((float)value));
        var quantized = rows.Map((v, m, _) => maxima[m] > 0 && float.IsFinite(maxima[m])
            ? MathF.Round((float)v / maxima[m] * 127) : 0);
        return quantized.Times(codes)
            .Map((sum, m, _) => float.IsFinite(maxima[m]) ? sum * maxima[m] / (127 * 127) : double.NaN);
    }

    private static Span<LowRankPair> Pairs(in LinearOp op) => op.LowRank.AsSpan(0, op.LowRankCount);

    private static void AddLowRank(Matrix x, in LowRankPair pair, Matrix u)
    {
        var input = x.RowRange(pair.RowStart, pair.RowCount);
        if (pair.Dropout.IsOn) input = Drop(input, pair.Dropout);
        input.Store(pair.DroppedX);
        var s = input.TimesTransposed(Matrix.Load(pair.A));
        s.Store(pair.S);
        u.Add(s.TimesTransposed(Matrix.Load(pair.B)), pair.Scale, pair.RowStart);
    }

    private static void LowRankBackward(Matrix x, Matrix dU, in LowRankPair pair, Matrix dX)
    {
        var scale = pair.Scale;
        var du = dU.RowRange(pair.RowStart, pair.RowCount).Map((v, _, _) => v * scale);
        var ds = du.Times(Matrix.Load(pair.B));
        var input = pair.Dropout.IsOn ? Matrix.Load(pair.DroppedX) : x.RowRange(pair.RowStart, pair.RowCount);
        du.Transposed().Times(Matrix.Load(pair.S)).AddTo(pair.GradB);   // +=
        ds.Transposed().Times(input).AddTo(pair.GradA);                 // +=
        var dInput = ds.Times(Matrix.Load(pair.A));
        dX.Add(pair.Dropout.IsOn ? Drop(dInput, pair.Dropout) : dInput, firstRow: pair.RowStart);
    }
}
