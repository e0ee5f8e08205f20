using PeftNative.Determinism;
using PeftNative.Ops;
using PeftNative.Peft.VirtualTokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.PTuning;

/// <summary>
/// A bidirectional LSTM of several layers (Hochreiter and Schmidhuber 1997) with dense layers behind it, as
/// torch.nn.LSTM computes it. The virtual tokens are one sequence.
/// </summary>
internal sealed class LstmEncoder(LstmDirection[] forward, LstmDirection[] backward, int hidden, double dropout,
    MlpEncoder head) : PromptEncoder
{
    internal override Tensor Forward(EncoderRun run, in Tensor x)
    {
        var input = x;
        for (var i = 0; i < forward.Length; i++)
        {
            var y = run.New(x.Rows, 2 * hidden);
            forward[i].Forward(run, input, y.Slice(0, hidden));
            backward[i].Forward(run, input, y.Slice(hidden, hidden));
            input = i < forward.Length - 1 ? Drop(run, i, y, run.New(y.Rows, y.Columns)) : y;
        }
        return head.Forward(run, input);
    }

    internal override void Backward(EncoderRun run, in Tensor dy, in Tensor dx)
    {
        var d = run.NewZero(dy.Rows, 2 * hidden);
        head.Backward(run, dy, d);
        for (var i = forward.Length - 1; i >= 0; i--)
        {
            var dInput = i > 0 ? run.NewZero(d.Rows, 2 * hidden) : dx;
            forward[i].Backward(run, d.Slice(0, hidden), dInput);
            backward[i].Backward(run, d.Slice(hidden, hidden), dInput);
            d = i > 0 ? Drop(run, i - 1, dInput, dInput) : d;
        }
    }

    private Tensor Drop(EncoderRun run, int layer, in Tensor x, in Tensor y)
    {
        var mask = run.Pass?.Dropout(dropout, (uint)RandomPurpose.Dropout, layer) ?? default;
        if (!mask.IsOn) return x;
        run.Backend.Forward(new DropoutOp { X = x, Mask = mask, Y = y });
        return y;
    }
}
