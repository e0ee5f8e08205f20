using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>Activation functions; the numbers are part of the native ABI.</summary>
public enum Activation
{
    /// <summary>x.</summary>
    Identity = 0,

    /// <summary>max(x, 0).</summary>
    Relu = 1,

    /// <summary>
    /// x Φ(x) with the error function (Hendrycks and Gimpel 2016, arXiv:1606.08415); "gelu" of Hugging Face.
    /// </summary>
    Gelu = 2,

    /// <summary>0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))); "gelu_new", "gelu_pytorch_tanh".</summary>
    GeluTanh = 3,

    /// <summary>x σ(x); "silu", "swish".</summary>
    Silu = 4,

    /// <summary>tanh x.</summary>
    Tanh = 5,

    /// <summary>1 / (1 + e^-x).</summary>
    Sigmoid = 6,
}

/// <summary>
/// Y = f(X), or gated Y = f(X) ⊙ Up (Shazeer 2020, arXiv:2002.05202). Element by element; all [M, F]; Y may be X or Up
/// when no gradient is needed.
/// </summary>
public readonly record struct GateOp
{
    /// <summary>Input of the activation.</summary>
    public Tensor X { get; init; }

    /// <summary>Second factor; optional.</summary>
    public Tensor Up { get; init; }

    /// <summary>The activation function.</summary>
    public Activation Activation { get; init; }

    /// <summary>Output.</summary>
    public Tensor Y { get; init; }
}

/// <summary>
/// Gradients of <see cref="GateOp"/>: DX <c>=</c> dY ⊙ Up ⊙ f'(X), DUp <c>=</c> dY ⊙ f(X). DX or DUp may be DY.
/// </summary>
public readonly record struct GateGradients
{
    /// <summary>Gradient of the output.</summary>
    public Tensor DY { get; init; }

    /// <summary>Gradient of X, overwritten.</summary>
    public Tensor DX { get; init; }

    /// <summary>Gradient of Up, overwritten; present exactly when Up is.</summary>
    public Tensor DUp { get; init; }
}
