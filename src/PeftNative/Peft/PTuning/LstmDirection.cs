using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Peft.VirtualTokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.PTuning;

/// <summary>
/// One layer of an LSTM in one direction. With the gates side by side in the order input, forget, candidate, output:
/// <code>
/// (i, f, g, o) = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
/// c_t = σ(i) ⊙ tanh(g) + σ(f) ⊙ c_{t-1};   h_t = σ(o) ⊙ tanh(c_t)
/// </code>
/// Made of the backend's linear and gate operations. Every row of what is saved belongs to one token.
/// </summary>
internal sealed class LstmDirection(Parameter inputWeight, Parameter inputBias, Parameter hiddenWeight,
    Parameter hiddenBias, bool isReverse)
{
    private readonly DenseLayer fromInput = new(inputWeight, inputBias);
    private Tensor gates, candidates, cells, tanhCells, previousHidden, previousCells;

    private int Hidden => hiddenWeight.Columns;

    /// <summary>The hidden states of all tokens are written to y [tokens, hidden].</summary>
    internal void Forward(EncoderRun run, in Tensor x, in Tensor y)
    {
        gates = fromInput.Forward(run, x);
        (candidates, cells, tanhCells) = (run.New(x.Rows, Hidden), run.New(x.Rows, Hidden), run.New(x.Rows, Hidden));
        (previousHidden, previousCells) = (run.NewZero(x.Rows, Hidden), run.NewZero(x.Rows, Hidden));
        for (var n = 0; n < x.Rows; n++)
        {
            var t = At(n, x.Rows);
            if (n > 0)
            {
                run.Backend.Copy(Row(y, At(n - 1, x.Rows)), Row(previousHidden, t));
                run.Backend.Copy(Row(cells, At(n - 1, x.Rows)), Row(previousCells, t));
            }
            run.Backend.Forward(Recurrence(t, t) with { Bias = hiddenBias.Value, Residual = Row(gates, t),
                Y = Row(gates, t) });
            run.Backend.Forward(Candidate(t) with { Y = Row(candidates, t) });
            run.Backend.Forward(Taken(t) with { Y = Row(cells, t) });
            run.Backend.Forward(Kept(t) with { Y = Row(tanhCells, t) });
            run.Backend.AddScaled(Row(tanhCells, t), 1, Row(cells, t));
            run.Backend.Forward(TanhCell(t) with { Y = Row(tanhCells, t) });
            run.Backend.Forward(Shown(t) with { Y = Row(y, t) });
        }
    }

    /// <summary>All gradients <c>+=</c>; dy is used up.</summary>
    internal void Backward(EncoderRun run, in Tensor dy, in Tensor dx)
    {
        var tokens = dy.Rows;
        var dGates = run.New(tokens, 4 * Hidden);
        var (dHidden, dCell, dInner) = (run.NewZero(1, Hidden), run.NewZero(1, Hidden), run.New(1, Hidden));
        var scratch = run.New(1, checked(tokens * 5 * Hidden));
        for (var n = tokens - 1; n >= 0; n--)
        {
            var t = At(n, tokens);
            run.Backend.AddScaled(Row(dy, t), 1, dHidden);
            run.Backend.Backward(Shown(t), new GateGradients { DY = dHidden, DX = Gate(dGates, t, 3), DUp = dInner });
            run.Backend.Backward(TanhCell(t), new GateGradients { DY = dInner, DX = dInner });
            run.Backend.AddScaled(dInner, 1, dCell);
            run.Backend.Backward(Taken(t), new GateGradients { DY = dCell, DX = Gate(dGates, t, 0), DUp = dInner });
            run.Backend.Backward(Candidate(t), new GateGradients { DY = dInner, DX = Gate(dGates, t, 2) });
            run.Backend.Backward(Kept(t), new GateGradients { DY = dCell, DX = Gate(dGates, t, 1), DUp = dCell });
            run.Backend.Backward(Recurrence(t, t),
                new LinearGradients { DY = Row(dGates, t), DX = dHidden, Scratch = scratch });
        }
        run.Backend.Backward(Recurrence(0, tokens - 1),
            new LinearGradients { DY = dGates, DW = hiddenWeight.Gradient, DBias = hiddenBias.Gradient,
                Scratch = scratch });
        fromInput.Backward(run, dGates, dx, accumulate: true);
    }

    private int At(int n, int tokens) => isReverse ? tokens - 1 - n : n;

    private LinearOp Recurrence(int first, int last) => new()
    {
        X = previousHidden.RowRange(first, last - first + 1), W = hiddenWeight.Value,
        Y = gates.RowRange(first, last - first + 1),
    };

    private GateOp Candidate(int t) => new() { X = Gate(gates, t, 2), Activation = Activation.Tanh };

    private GateOp Taken(int t) =>
        new() { X = Gate(gates, t, 0), Up = Row(candidates, t), Activation = Activation.Sigmoid };

    private GateOp Kept(int t) =>
        new() { X = Gate(gates, t, 1), Up = Row(previousCells, t), Activation = Activation.Sigmoid };

    private GateOp TanhCell(int t) => new() { X = Row(cells, t), Activation = Activation.Tanh };

    private GateOp Shown(int t) =>
        new() { X = Gate(gates, t, 3), Up = Row(tanhCells, t), Activation = Activation.Sigmoid };

    private Tensor Gate(in Tensor all, int t, int number) => Row(all, t).Slice(number * Hidden, Hidden);

    private static Tensor Row(in Tensor matrix, int t) => matrix.RowRange(t, 1);
}
