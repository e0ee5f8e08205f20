using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Run(in CrossEntropyOp op)
    {
        var logits = Matrix.Load(op.Logits);
        for (var i = 0; i < logits.Rows; i++)
        {
            var label = Elements.Int(op.Labels, i);
            var row = logits.Row(i);
            if (op.Correct.IsPresent) Elements.Set(op.Correct, 0, i, FirstLargest(row) == label ? 1 : 0);
            for (var v = 0; v < row.Length; v++) row[v] = Cap(row[v], op.SoftCap);
            var logSum = LogSumExp(row);
            Elements.Set(op.Loss, 0, i, logSum - row[label]);
            if (!op.Gradient) continue;
            for (var v = 0; v < row.Length; v++)
            {
                var slope = Math.Exp(row[v] - logSum) - (v == label ? 1 : 0);
                Elements.Set(op.Logits, i, v, op.GradientScale * slope * CapSlope(row[v], op.SoftCap));
            }
        }
    }

    /// <inheritdoc/>
    public void Run(in RegressionLossOp op)
    {
        for (var i = 0; i < op.Logits.Rows; i++)
        {
            var loss = 0.0;
            for (var n = 0; n < op.Logits.Columns; n++)
            {
                var (z, t) = (Elements.Get(op.Logits, i, n), Elements.Get(op.Targets, i, n));
                loss += ElementLoss(op.Kind, z, t);
                if (op.Gradient) Elements.Set(op.Logits, i, n, op.GradientScale * ElementSlope(op.Kind, z, t));
            }
            Elements.Set(op.Loss, 0, i, loss);
        }
    }

    private static double ElementLoss(RegressionLoss kind, double z, double t) => kind switch
    {
        RegressionLoss.MeanSquaredError => (z - t) * (z - t),
        RegressionLoss.BinaryCrossEntropy => Math.Max(z, 0) - z * t + Math.Log(1 + Math.Exp(-Math.Abs(z))),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown loss"),
    };

    private static double ElementSlope(RegressionLoss kind, double z, double t) =>
        kind == RegressionLoss.MeanSquaredError ? 2 * (z - t) : Sigmoid(z) - t;

    private static int FirstLargest(ReadOnlySpan<double> row)
    {
        var best = 0;
        for (var v = 1; v < row.Length; v++)
            if (row[v] > row[best]) best = v;
        return best;
    }

    /// <summary>cap · tanh(x / cap), or x without a cap.</summary>
    private static double Cap(double x, double cap) => cap > 0 ? cap * Math.Tanh(x / cap) : x;

    /// <summary>The derivative of <see cref="Cap"/>, from its result.</summary>
    private static double CapSlope(double capped, double cap) => cap > 0 ? 1 - capped / cap * (capped / cap) : 1;

    /// <summary>log Σ eˣ; -∞ when every x is -∞.</summary>
    private static double LogSumExp(ReadOnlySpan<double> x)
    {
        var largest = double.NegativeInfinity;
        foreach (var v in x) largest = Math.Max(largest, v);
        if (double.IsNegativeInfinity(largest)) return largest;
        var sum = 0.0;
        foreach (var v in x) sum += Math.Exp(v - largest);
        return largest + Math.Log(sum);
    }
}
