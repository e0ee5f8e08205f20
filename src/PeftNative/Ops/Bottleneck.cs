using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// A bottleneck adapter (Houlsby et al. 2019, arXiv:1902.00751): down to few features, an activation, and up again.
/// With X [M, D] and B features in between:
/// <code>
/// Down = X DownWeightᵀ + DownBias
/// U = f(Down) UpWeightᵀ + UpBias
/// Y = OutputScale ⊙ U + Residual
/// </code>
/// Absent operands drop out of the formula. Y may be the same memory as Residual.
/// </summary>
public readonly record struct BottleneckOp
{
    /// <summary>Input [M, D].</summary>
    public Tensor X { get; init; }

    /// <summary>Down projection [B, D].</summary>
    public Tensor DownWeight { get; init; }

    /// <summary>Bias of the down projection [1, B]; optional.</summary>
    public Tensor DownBias { get; init; }

    /// <summary>The activation function f.</summary>
    public Activation Activation { get; init; }

    /// <summary>Up projection [D, B].</summary>
    public Tensor UpWeight { get; init; }

    /// <summary>Bias of the up projection [1, D]; optional.</summary>
    public Tensor UpBias { get; init; }

    /// <summary>Factor of the output [1, D]; optional.</summary>
    public Tensor OutputScale { get; init; }

    /// <summary>Added at the end [M, D]; optional.</summary>
    public Tensor Residual { get; init; }

    /// <summary>Saved input of the activation [M, B].</summary>
    public Tensor Down { get; init; }

    /// <summary>Room for f(Down) [M, B], for backends that keep it for the backward.</summary>
    public Tensor Inner { get; init; }

    /// <summary>Room for U [M, D], likewise; absent where nobody needs the gradient of the output scale.</summary>
    public Tensor PreScale { get; init; }

    /// <summary>Output [M, D].</summary>
    public Tensor Y { get; init; }

    private LinearOp DownLayer => new() { X = X, W = DownWeight, Bias = DownBias, Y = Down };

    private GateOp Gate => new() { X = Down, Activation = Activation, Y = Inner };

    private LinearOp UpLayer =>
        new() { X = Inner, W = UpWeight, Bias = UpBias, OutputScale = OutputScale, PreScale = PreScale,
            Residual = Residual, Y = Y };

    /// <summary>The operation in parts: a linear layer, a gate, a linear layer.</summary>
    public void ForwardInParts(IBackend backend)
    {
        backend.Forward(DownLayer);
        backend.Forward(Gate);
        backend.Forward(UpLayer);
    }

    /// <summary>The gradients of an operation that ran in parts.</summary>
    public void BackwardInParts(IBackend backend, in BottleneckGradients gradients)
    {
        var inner = checked((int)Down.Count);
        var dDown = gradients.Scratch.Slice(0, inner).Reshape(Down.Rows, Down.Columns);
        var scratch = gradients.Scratch.Slice(inner, gradients.Scratch.Columns - inner);
        backend.Backward(UpLayer, new LinearGradients
        {
            DY = gradients.DY, DX = dDown, DW = gradients.DUpWeight, DBias = gradients.DUpBias,
            DOutputScale = gradients.DOutputScale, Scratch = scratch,
        });
        backend.Backward(Gate, new GateGradients { DY = dDown, DX = dDown });
        backend.Backward(DownLayer, new LinearGradients
        {
            DY = dDown, DX = gradients.DX, DW = gradients.DDownWeight, DBias = gradients.DDownBias, Scratch = scratch,
        });
    }
}

/// <summary>
/// Gradients of <see cref="BottleneckOp"/>: DX <c>=</c>, all others <c>+=</c>. The gradient of Residual is dY itself
/// and not written anywhere.
/// </summary>
public readonly record struct BottleneckGradients
{
    /// <summary>Gradient of the output [M, D].</summary>
    public Tensor DY { get; init; }

    /// <summary>Gradient of the input [M, D], <c>=</c>; absent when nobody needs it. Must not overlap DY.</summary>
    public Tensor DX { get; init; }

    /// <summary>
    /// Gradient of the down projection [B, D], <c>+=</c>; absent when it is frozen, like the following.
    /// </summary>
    public Tensor DDownWeight { get; init; }

    /// <summary>Gradient of its bias [1, B], <c>+=</c>.</summary>
    public Tensor DDownBias { get; init; }

    /// <summary>Gradient of the up projection [D, B], <c>+=</c>.</summary>
    public Tensor DUpWeight { get; init; }

    /// <summary>Gradient of its bias [1, D], <c>+=</c>.</summary>
    public Tensor DUpBias { get; init; }

    /// <summary>Gradient of the output scale [1, D], <c>+=</c>; needs PreScale.</summary>
    public Tensor DOutputScale { get; init; }

    /// <summary>
    /// Scratch of the backend: at least M * (D + 2 B) elements of the type of X, contiguous, one row.
    /// </summary>
    public Tensor Scratch { get; init; }
}
