using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>The two normalisations of transformers.</summary>
public enum NormKind
{
    /// <summary>(x - mean) / √(variance + ε) · γ + β (Ba et al. 2016, arXiv:1607.06450).</summary>
    LayerNorm = 0,

    /// <summary>x / √(mean of squares + ε) · γ (Zhang and Sennrich 2019, arXiv:1910.07467).</summary>
    RmsNorm = 1,
}

/// <summary>
/// Normalises groups of columns: each row of X is split in <see cref="Groups"/> equal parts (1 for whole rows, the
/// number of heads for query/key norms) of width D = columns / groups; Y = normalised · (GammaOffset + Gamma) + Beta. Y
/// may be X.
/// </summary>
public readonly record struct NormOp
{
    /// <summary>Input [M, groups · D].</summary>
    public Tensor X { get; init; }

    /// <summary>Gain [1, D].</summary>
    public Tensor Gamma { get; init; }

    /// <summary>Shift [1, D]; optional.</summary>
    public Tensor Beta { get; init; }

    /// <summary>Which normalisation.</summary>
    public NormKind Kind { get; init; }

    /// <summary>ε, added to the variance or mean square.</summary>
    public double Epsilon { get; init; }

    /// <summary>0, or 1 where the checkpoint stores γ - 1 (Gemma).</summary>
    public double GammaOffset { get; init; }

    /// <summary>Number of equal parts of a row that are normalised on their own; at least 1.</summary>
    public int Groups { get; init; }

    /// <summary>Saved mean per row and group [M, groups]; LayerNorm only.</summary>
    public Tensor Mean { get; init; }

    /// <summary>Saved reciprocal standard deviation (or root mean square) [M, groups].</summary>
    public Tensor Rstd { get; init; }

    /// <summary>Output [M, groups · D].</summary>
    public Tensor Y { get; init; }
}

/// <summary>Gradients of <see cref="NormOp"/>; reads X, Mean and Rstd of the forward record.</summary>
public readonly record struct NormGradients
{
    /// <summary>Gradient of the output.</summary>
    public Tensor DY { get; init; }

    /// <summary>
    /// Gradient of the input; <c>=</c> or <c>+=</c> by <see cref="AccumulateDX"/>. May be DY when overwritten.
    /// </summary>
    public Tensor DX { get; init; }

    /// <summary>Whether DX is added to.</summary>
    public bool AccumulateDX { get; init; }

    /// <summary>Gradient of the gain [1, D], <c>+=</c>; optional.</summary>
    public Tensor DGamma { get; init; }

    /// <summary>Gradient of the shift [1, D], <c>+=</c>; optional.</summary>
    public Tensor DBeta { get; init; }
}
