using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// Cross-entropy of each row of Logits [M, V] against an integer label: Loss[i] = log Σ_v exp(z_v) - z_label with z =
/// cap(Logits). With Gradient, Logits are overwritten by GradientScale · (softmax(z) - onehot) (times cap' where
/// SoftCap > 0).
/// </summary>
public readonly record struct CrossEntropyOp
{
    /// <summary>Scores [M, V]; overwritten by their gradient when <see cref="Gradient"/> is set.</summary>
    public Tensor Logits { get; init; }

    /// <summary>Labels, int32 [1, M], each in [0, V).</summary>
    public Tensor Labels { get; init; }

    /// <summary>Loss of each row, written [1, M].</summary>
    public Tensor Loss { get; init; }

    /// <summary>
    /// 1 if the label has the (first) largest score of the row, else 0; written, int32 [1, M]; optional.
    /// </summary>
    public Tensor Correct { get; init; }

    /// <summary>Whether the gradient replaces the scores.</summary>
    public bool Gradient { get; init; }

    /// <summary>Factor of the gradient, usually 1 / number of labelled rows.</summary>
    public double GradientScale { get; init; }

    /// <summary>Soft cap of the final scores (Gemma 2); 0 for none.</summary>
    public double SoftCap { get; init; }
}

/// <summary>Losses against real targets; the numbers are part of the native ABI.</summary>
public enum RegressionLoss
{
    /// <summary>(z - t)².</summary>
    MeanSquaredError = 0,

    /// <summary>max(z, 0) - z t + log(1 + e^-|z|), the stable form of binary cross-entropy with logits.</summary>
    BinaryCrossEntropy = 1,
}

/// <summary>
/// A loss per row against real targets: Loss[i] = Σ_n ℓ(Logits[i, n], Targets[i, n]). With Gradient, Logits are
/// overwritten by GradientScale · ∂ℓ/∂z. The caller divides by the number of elements, as both losses of the reference
/// take the mean over rows and columns.
/// </summary>
public readonly record struct RegressionLossOp
{
    /// <summary>Scores [M, N]; overwritten by their gradient when <see cref="Gradient"/> is set.</summary>
    public Tensor Logits { get; init; }

    /// <summary>Targets [M, N], of the parameter type.</summary>
    public Tensor Targets { get; init; }

    /// <summary>Which loss.</summary>
    public RegressionLoss Kind { get; init; }

    /// <summary>Loss of each row, written [1, M].</summary>
    public Tensor Loss { get; init; }

    /// <summary>Whether the gradient replaces the scores.</summary>
    public bool Gradient { get; init; }

    /// <summary>Factor of the gradient.</summary>
    public double GradientScale { get; init; }
}
