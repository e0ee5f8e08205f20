using PeftNative.Ilgpu.Kernels;
using PeftNative.Ilgpu.Kernels.Common;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    /// <remarks>
    /// The first low-rank pair is added in the kernel of the product; further ones are summed before it.
    /// </remarks>
    public void Forward(in LinearOp op)
    {
        scratch.Reset();
        var product = Product(View(op.X), View(op.W).Transposed, View(op.Y), accumulate: false) with
        {
            InnerScale = View(op.InputScale),
            Bias = View(op.Bias),
            OutputScale = View(op.OutputScale),
            PreScale = View(op.PreScale),
            Residual = View(op.Residual),
            ScaleBeforeBias = op.ScaleBeforeBias ? 1 : 0,
        };
        Tensor extra = default;
        foreach (ref var pair in Pairs(op))
        {
            if (pair.RowCount == 0) continue;
            var input = LowRankInput(op, pair);
            if (pair.Dropout.IsOn)
            {
                var x = op.X.RowRange(pair.RowStart, pair.RowCount);
                Forward(new DropoutOp { X = x, Mask = pair.Dropout, Y = pair.DroppedX });
            }
            Multiply(Product(View(input), View(pair.A).Transposed, View(pair.S), accumulate: false));
            if (!product.Low.IsPresent)
                AddLow(ref product, View(pair.S), View(pair.B).Transposed, pair.Scale, pair.RowStart);
            else AddToExtra(op, pair, ref extra);
        }
        if (extra.IsPresent) product.Extra = View(extra);
        Multiply(product);
    }

    /// <inheritdoc/>
    public void Backward(in LinearOp op, in LinearGradients gradients)
    {
        scratch.Reset();
        if (gradients.DX.IsPresent) InputGradient(op, gradients);
        foreach (ref var pair in Pairs(op))
            if (pair.RowCount > 0) LowRankBackward(op, gradients, pair);
        var (dy, scale) = (View(gradients.DY), View(op.OutputScale));
        if (gradients.DW.IsPresent)
            Multiply(Product(dy.Transposed, View(op.X), View(gradients.DW), accumulate: true) with         // +=
            {
                RowScale = scale,
                ColumnScale = View(op.InputScale),
            });
        SumColumns(dy, absent, op.ScaleBeforeBias ? absent : scale, gradients.DBias);
        SumColumns(dy, View(op.PreScale), absent, gradients.DOutputScale);
        if (gradients.DInputScale.IsPresent) InputScaleGradient(op, gradients);
    }

    private static Span<LowRankPair> Pairs(in LinearOp op) => op.LowRank.AsSpan(0, op.LowRankCount);

    private static Tensor LowRankInput(in LinearOp op, in LowRankPair pair) =>
        pair.Dropout.IsOn ? pair.DroppedX : op.X.RowRange(pair.RowStart, pair.RowCount);

    private static void AddLow(ref ProductArguments product, Matrix low, Matrix b, double factor, int start) =>
        (product.Low, product.LowB, product.LowFactor, product.LowStart) = (low, b, (float)factor, start);

    /// <summary>Sums what pairs after the first add, in zeros made at the first need.</summary>
    private void AddToExtra(in LinearOp op, in LowRankPair pair, ref Tensor extra)
    {
        if (!extra.IsPresent)
        {
            extra = scratch.Allocate(DType.Float32, op.Y.Rows, op.Y.Columns);
            Fill(extra, 0);
        }
        Multiply(Product(View(pair.S), View(pair.B).Transposed, View(extra.RowRange(pair.RowStart, pair.RowCount)),
            accumulate: true) with { Factor = (float)pair.Scale });
    }

    /// <summary>dX (= or +=) InputScale ⊙ (dU W); the low-rank pairs add theirs afterwards.</summary>
    private void InputGradient(in LinearOp op, in LinearGradients gradients) =>
        Multiply(Product(View(gradients.DY), View(op.W), View(gradients.DX), gradients.AccumulateDX) with
        {
            InnerScale = View(op.OutputScale),
            ColumnScale = View(op.InputScale),
        });

    /// <summary>dS = scale dU B;  dB += scale dUᵀ S;  dA += dSᵀ drop(X);  dX += drop'(dS A).</summary>
    private void LowRankBackward(in LinearOp op, in LinearGradients gradients, in LowRankPair pair)
    {
        var (dy, outputScale) = (View(gradients.DY.RowRange(pair.RowStart, pair.RowCount)), View(op.OutputScale));
        if (pair.GradB.IsPresent)
            Multiply(Product(dy.Transposed, View(pair.S), View(pair.GradB), accumulate: true) with         // +=
            {
                RowScale = outputScale,
                Factor = (float)pair.Scale,
            });
        if (!pair.GradA.IsPresent && !gradients.DX.IsPresent) return;
        var ds = scratch.Allocate(DType.Float32, pair.RowCount, pair.A.Rows);
        Multiply(Product(dy, View(pair.B), View(ds), accumulate: false) with
        {
            InnerScale = outputScale,
            Factor = (float)pair.Scale,
        });
        if (pair.GradA.IsPresent)
            // +=
            Multiply(Product(View(ds).Transposed, View(LowRankInput(op, pair)), View(pair.GradA), accumulate: true));
        if (!gradients.DX.IsPresent) return;
        var dx = gradients.DX.RowRange(pair.RowStart, pair.RowCount);
        if (!pair.Dropout.IsOn)
        {
            Multiply(Product(View(ds), View(pair.A), View(dx), accumulate: true));                    // +=
            return;
        }
        var dropped = scratch.Allocate(DType.Float32, dx.Rows, dx.Columns);
        Multiply(Product(View(ds), View(pair.A), View(dropped), accumulate: false));
        Forward(new DropoutOp { X = dropped, Mask = pair.Dropout, Accumulate = true, Y = dx });                    // +=
    }

    private void InputScaleGradient(in LinearOp op, in LinearGradients gradients)
    {
        var duw = scratch.Allocate(DType.Float32, op.X.Rows, op.X.Columns);
        Multiply(Product(View(gradients.DY), View(op.W), View(duw),
            accumulate: false) with { InnerScale = View(op.OutputScale) });
        SumColumns(View(duw), View(op.X), absent, gradients.DInputScale);                                         // +=
    }

    private void SumColumns(Matrix x, Matrix factor, Matrix scale, in Tensor target)
    {
        if (target.IsPresent)
            Each(LinearKernels.ColumnSums, target.Columns,
                new ColumnSumsArguments { X = x, Factor = factor, Scale = scale, Target = View(target) });
    }
}
