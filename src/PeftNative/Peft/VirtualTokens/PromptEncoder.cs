using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.VirtualTokens;

/// <summary>
/// A small network that turns trained embeddings into what the model sees: virtual tokens or a prefix. Only training
/// needs it; its output is what gets stored. All of it runs as operations of the backend.
/// </summary>
internal abstract class PromptEncoder
{
    /// <summary>The output for the embeddings x; kept until the backward.</summary>
    internal abstract Tensor Forward(EncoderRun run, in Tensor x);

    /// <summary>All gradients <c>+=</c>, that of the embeddings too.</summary>
    internal abstract void Backward(EncoderRun run, in Tensor dy, in Tensor dx);
}

/// <summary>
/// One run of an encoder: its memory, and the pass it serves (null when it runs to be stored, without dropout).
/// </summary>
internal sealed record EncoderRun(IBackend Backend, Arena Arena, Pass? Pass)
{
    internal Tensor New(int rows, int columns) => Arena.Allocate(Backend.ParameterType, rows, columns);

    internal Tensor NewZero(int rows, int columns)
    {
        var tensor = New(rows, columns);
        Backend.Fill(tensor, 0);
        return tensor;
    }
}

/// <summary>y = x Wᵀ + b.</summary>
internal sealed class DenseLayer(Parameter weight, Parameter bias)
{
    private LinearOp op;

    internal Tensor Forward(EncoderRun run, in Tensor x)
    {
        op = new LinearOp { X = x, W = weight.Value, Bias = bias.Value, Y = run.New(x.Rows, weight.Rows) };
        run.Backend.Forward(op);
        return op.Y;
    }

    /// <summary>Parameter gradients <c>+=</c>; dx <c>=</c> or <c>+=</c>.</summary>
    internal void Backward(EncoderRun run, in Tensor dy, in Tensor dx, bool accumulate) =>
        run.Backend.Backward(op, new LinearGradients
    {
        DY = dy, DX = dx, AccumulateDX = accumulate, DW = weight.Gradient, DBias = bias.Gradient,
        Scratch = run.New(1, checked(dy.Rows * (weight.Rows + weight.Columns))),
    });
}

/// <summary>Dense layers with an activation between them.</summary>
internal sealed class MlpEncoder(Activation activation, params DenseLayer[] layers) : PromptEncoder
{
    private readonly GateOp[] gates = new GateOp[layers.Length - 1];

    internal override Tensor Forward(EncoderRun run, in Tensor x)
    {
        var y = layers[0].Forward(run, x);
        for (var i = 0; i < gates.Length; i++)
        {
            gates[i] = new GateOp { X = y, Activation = activation, Y = run.New(y.Rows, y.Columns) };
            run.Backend.Forward(gates[i]);
            y = layers[i + 1].Forward(run, gates[i].Y);
        }
        return y;
    }

    internal override void Backward(EncoderRun run, in Tensor dy, in Tensor dx)
    {
        var d = dy;
        for (var i = gates.Length - 1; i >= 0; i--)
        {
            var dInner = run.New(d.Rows, gates[i].Y.Columns);
            layers[i + 1].Backward(run, d, dInner, accumulate: false);
            run.Backend.Backward(gates[i], new GateGradients { DY = dInner, DX = dInner });
            d = dInner;
        }
        layers[0].Backward(run, d, dx, accumulate: true);
    }
}
