using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in NormOp op)
    {
        var x = Matrix.Load(op.X);
        var width = x.Columns / op.Groups;
        for (var i = 0; i < x.Rows; i++)
            for (var g = 0; g < op.Groups; g++)
            {
                var part = x.Row(i).Slice(g * width, width);
                var mean = op.Kind == NormKind.LayerNorm ? Mean(part) : 0;
                var rstd = 1 / Math.Sqrt(MeanSquare(part, mean) + op.Epsilon);
                if (op.Mean.IsPresent) Elements.Set(op.Mean, i, g, mean);
                if (op.Rstd.IsPresent) Elements.Set(op.Rstd, i, g, rstd);
                for (var d = 0; d < width; d++)
                {
                    var shift = op.Beta.IsPresent ? Elements.Get(op.Beta, 0, d) : 0;
                    Elements.Set(op.Y, i, g * width + d, (part[d] - mean) * rstd * Gain(op, d) + shift);
                }
            }
    }

    /// <inheritdoc/>
    public void Backward(in NormOp op, in NormGradients gradients)
    {
        var x = Matrix.Load(op.X);
        var dy = Matrix.Load(gradients.DY);
        var width = x.Columns / op.Groups;
        var dx = new Matrix(x.Rows, x.Columns);
        var dGamma = new Matrix(1, width);
        var dBeta = new Matrix(1, width);
        for (var i = 0; i < x.Rows; i++)
            for (var g = 0; g < op.Groups; g++)
                NormBackward(op, i, g, x.Row(i).Slice(g * width, width), dy.Row(i).Slice(g * width, width),
                    dx.Row(i).Slice(g * width, width), dGamma.Row(0), dBeta.Row(0));
        if (gradients.AccumulateDX) dx.AddTo(gradients.DX);     // +=
        else dx.Store(gradients.DX);                            // =
        dGamma.AddTo(gradients.DGamma);                         // +=
        dBeta.AddTo(gradients.DBeta);                           // +=
    }

    /// <summary>
    /// With n = (x - mean) · rstd and h = dY ⊙ gain: dX = rstd · (h - n · mean(h ⊙ n) - mean(h)), without the last term
    /// for RmsNorm.
    /// </summary>
    private static void NormBackward(in NormOp op, int row, int group, ReadOnlySpan<double> x, ReadOnlySpan<double> dy,
        Span<double> dx, Span<double> dGamma, Span<double> dBeta)
    {
        var mean = op.Kind == NormKind.LayerNorm ? Elements.Get(op.Mean, row, group) : 0;
        var rstd = Elements.Get(op.Rstd, row, group);
        double sumH = 0, sumHN = 0;
        for (var d = 0; d < x.Length; d++)
        {
            var (n, h) = ((x[d] - mean) * rstd, dy[d] * Gain(op, d));
            dGamma[d] += dy[d] * n;
            dBeta[d] += dy[d];
            sumH += h;
            sumHN += h * n;
        }
        var meanH = op.Kind == NormKind.LayerNorm ? sumH / x.Length : 0;
        for (var d = 0; d < x.Length; d++)
            dx[d] = rstd * (dy[d] * Gain(op, d) - (x[d] - mean) * rstd * sumHN / x.Length - meanH);
    }

    private static double Gain(in NormOp op, int d) => op.GammaOffset + Elements.Get(op.Gamma, 0, d);

    private static double Mean(ReadOnlySpan<double> x)
    {
        var sum = 0.0;
        foreach (var v in x) sum += v;
        return sum / x.Length;
    }

    private static double MeanSquare(ReadOnlySpan<double> x, double mean)
    {
        var sum = 0.0;
        foreach (var v in x) sum += (v - mean) * (v - mean);
        return sum / x.Length;
    }
}
