using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Tests.Ops;

/// <summary>What a <see cref="FaultyBackend"/> does to an output after a correct computation.</summary>
public enum Fault
{
    None,

    /// <summary>The largest element is off by 0.1 %.</summary>
    WrongElement,

    /// <summary>An element is NaN.</summary>
    NotANumber,

    /// <summary>The element in front of the first is overwritten.</summary>
    WriteInFront,

    /// <summary>The element behind the last is overwritten.</summary>
    WriteBehind,

    /// <summary>An element is off by a few units in the last place, by more with every call.</summary>
    Unstable,

    /// <summary>An input of the operation is overwritten.</summary>
    WriteToInput,
}

/// <summary>The reference with a fault in output number <paramref name="which"/> (modulo their number) of every
/// call.</summary>
internal sealed class FaultyBackend(DType type, Fault fault, int which)
    : ForwardingBackend(ReferenceBackend.Create(type))
{
    /// <summary>How many faults there were.</summary>
    public int Faults { get; private set; }

    private bool SpoilsValues => fault is Fault.WrongElement or Fault.NotANumber or Fault.Unstable;

    public override string Name => "faulty";

    public override string Description => $"{fault} in output {which}";

    public override void Forward(in LinearOp op)
    {
        base.Forward(op);
        var pairs = op.LowRank.AsSpan(0, op.LowRankCount).ToArray();
        Spoil(op.X, [op.Y, op.PreScale, .. pairs.Select(p => p.S), .. pairs.Select(p => p.DroppedX)]);
    }

    public override void Backward(in LinearOp op, in LinearGradients g)
    {
        base.Backward(op, g);
        var pairs = op.LowRank.AsSpan(0, op.LowRankCount).ToArray();
        Spoil(g.DY, [g.DX, g.DW, g.DBias, g.DInputScale, g.DOutputScale,
            .. pairs.Select(p => p.GradA), .. pairs.Select(p => p.GradB)]);
    }

    public override void Forward(in DoraScaleOp op)
    {
        base.Forward(op);
        Spoil(op.W, [op.Norm, op.G]);
    }

    public override void Backward(in DoraScaleOp op, in DoraScaleGradients g)
    {
        base.Backward(op, g);
        Spoil(g.DG, [g.DMagnitude]);
    }

    public override void Forward(in EmbeddingOp op)
    {
        base.Forward(op);
        Spoil(op.Table, [op.Y]);
    }

    public override void Backward(in EmbeddingOp op, in EmbeddingGradients g)
    {
        base.Backward(op, g);
        Spoil(g.DY, [g.DTable, g.DPositionTable, g.DTypeTable, g.DVirtual, g.DA, g.DB]);
    }

    public override void Forward(in NormOp op)
    {
        base.Forward(op);
        Spoil(op.Gamma, [op.Y, op.Mean, op.Rstd]);
    }

    public override void Backward(in NormOp op, in NormGradients g)
    {
        base.Backward(op, g);
        Spoil(op.X, [g.DX, g.DGamma, g.DBeta]);
    }

    public override void Forward(in RopeOp op)
    {
        base.Forward(op);
        Spoil(op.Cos, [op.X]);
    }

    public override void Backward(in RopeOp op)
    {
        base.Backward(op);
        Spoil(op.Sin, [op.X]);
    }

    public override void Forward(in AttentionOp op)
    {
        base.Forward(op);
        Spoil(op.Q, [op.Y, op.LogSumExp]);
    }

    public override void Backward(in AttentionOp op, in AttentionGradients g)
    {
        base.Backward(op, g);
        Spoil(g.DY, [g.DQ, g.DK, g.DV, g.DPrefixK, g.DPrefixV, g.DRelativeBias]);
    }

    public override void Forward(in GateOp op)
    {
        base.Forward(op);
        Spoil(op.X, [op.Y]);
    }

    public override void Backward(in GateOp op, in GateGradients g)
    {
        base.Backward(op, g);
        Spoil(op.X, [g.DX, g.DUp]);
    }

    public override void Forward(in BottleneckOp op)
    {
        base.Forward(op);
        Spoil(op.X, [op.Y, op.Down]);
    }

    public override void Backward(in BottleneckOp op, in BottleneckGradients g)
    {
        base.Backward(op, g);
        Spoil(g.DY, [g.DX, g.DDownWeight, g.DDownBias, g.DUpWeight, g.DUpBias, g.DOutputScale]);
    }

    public override void Forward(in DropoutOp op)
    {
        base.Forward(op);
        Spoil(op.X, [op.Y]);
    }

    public override void Forward(in DequantizeOp op)
    {
        base.Forward(op);
        Spoil(op.Codes, [op.Y]);
    }

    public override void Forward(in GatherOp op)
    {
        base.Forward(op);
        Spoil(op.X, [op.Y]);
    }

    public override void Backward(in GatherOp op, in GatherGradients g)
    {
        base.Backward(op, g);
        Spoil(g.DY, [g.DX]);
    }

    public override void Run(in CrossEntropyOp op)
    {
        base.Run(op);
        Spoil(op.Labels, [op.Loss, op.Correct, op.Gradient ? op.Logits : default]);
    }

    public override void Run(in RegressionLossOp op)
    {
        base.Run(op);
        Spoil(op.Targets, [op.Loss, op.Gradient ? op.Logits : default]);
    }

    public override void Run(in AdamWOp op)
    {
        base.Run(op);
        Spoil(op.Gradients, [op.Values, op.FirstMoment, op.SecondMoment]);
    }

    public override double SumOfSquares(in Tensor x)
    {
        var sum = base.SumOfSquares(x);
        Spoil(x, []);
        if (!SpoilsValues || !double.IsFinite(sum)) return sum;
        Faults++;
        return fault switch
        {
            Fault.WrongElement => 1.001 * sum + 1e-30,
            Fault.NotANumber => double.NaN,
            _ => BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(sum) + Faults),
        };
    }

    public override void AddScaled(in Tensor x, double scale, in Tensor y)
    {
        base.AddScaled(x, scale, y);
        Spoil(x, [y]);
    }

    public override void Copy(in Tensor x, in Tensor y)
    {
        base.Copy(x, y);
        Spoil(x, [y]);
    }

    private void Spoil(in Tensor input, Tensor[] outputs)
    {
        if (fault == Fault.WriteToInput && input.Count > 0) Replace(input, 0, 0, _ => 7777);
        outputs = [.. outputs.Where(t => t.IsPresent && t.Count > 0)];
        if (outputs.Length == 0) return;
        var target = outputs[which % outputs.Length];
        var last = target.RowRange(target.Rows - 1, 1);
        var front = target with { Pointer = target.Pointer - target.Type.Size() };
        if (fault == Fault.WriteInFront) Replace(front, 0, 0, _ => 3);
        if (fault == Fault.WriteBehind) Replace(last, 0, last.Columns, _ => 3);
        if (SpoilsValues) SpoilLargest(target);
    }

    private void SpoilLargest(in Tensor target)
    {
        var (row, column, largest) = (0, 0, -1.0);
        for (var i = 0; i < target.Rows; i++)
            for (var j = 0; j < target.Columns; j++)
            {
                var size = Math.Abs(Elements.Get(target, i, j));
                if (double.IsFinite(size) && size > largest) (row, column, largest) = (i, j, size);
            }
        if (largest < 0) return;
        if (target.Type == DType.Int32) Replace(target, row, column, v => v + 1 + Faults);
        else Replace(target, row, column, v => fault switch
        {
            Fault.NotANumber => double.NaN,
            Fault.WrongElement => v == 0 ? 1e-3 : v * 1.001,
            _ => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits((float)v) + 1 + Faults),
        });
    }

    private void Replace(in Tensor target, int row, int column, Func<double, double> value)
    {
        Elements.Set(target, row, column, value(Elements.Get(target, row, column)));
        Faults++;
    }
}
