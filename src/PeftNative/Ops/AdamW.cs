using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// One AdamW step over a flat buffer (Loshchilov and Hutter 2019, arXiv:1711.05101; the order of torch.optim.AdamW):
/// <code>
/// g = GradientScale · Gradients;  θ -= lr · decay · θ;  m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²
/// θ -= lr / (1 - β1^t) · m / (√v / √(1 - β2^t) + ε)
/// </code>
/// All tensors [1, n] of the compute type.
/// </summary>
public readonly record struct AdamWOp
{
    /// <summary>Parameters θ, updated.</summary>
    public Tensor Values { get; init; }

    /// <summary>Gradients, read.</summary>
    public Tensor Gradients { get; init; }

    /// <summary>First moment m, updated.</summary>
    public Tensor FirstMoment { get; init; }

    /// <summary>Second moment v, updated.</summary>
    public Tensor SecondMoment { get; init; }

    /// <summary>Number of this step, from 1.</summary>
    public int Step { get; init; }

    /// <summary>Learning rate of this step.</summary>
    public double LearningRate { get; init; }

    /// <summary>β1.</summary>
    public double Beta1 { get; init; }

    /// <summary>β2.</summary>
    public double Beta2 { get; init; }

    /// <summary>ε, added outside the root.</summary>
    public double Epsilon { get; init; }

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Factor on the gradients: the clipping coefficient.</summary>
    public double GradientScale { get; init; }
}
