using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// DoRA's output scale g = magnitude / ‖W + scale B A‖ by rows: Norm [1, N] is the Euclidean norm of each row of the
/// adapted weight, G [1, N] the quotient (Liu et al. 2024, arXiv:2402.09353, section 4.3: the norm counts as a constant
/// in the backward).
/// </summary>
public readonly record struct DoraScaleOp
{
    /// <summary>Weight [N, K].</summary>
    public Tensor W { get; init; }

    /// <summary>Down projection [R, K].</summary>
    public Tensor A { get; init; }

    /// <summary>Up projection [N, R].</summary>
    public Tensor B { get; init; }

    /// <summary>The low-rank factor.</summary>
    public double Scale { get; init; }

    /// <summary>Trained magnitude [1, N].</summary>
    public Tensor Magnitude { get; init; }

    /// <summary>Row norms, written [1, N].</summary>
    public Tensor Norm { get; init; }

    /// <summary>Magnitude / Norm, written [1, N]; optional.</summary>
    public Tensor G { get; init; }
}

/// <summary>Gradient of <see cref="DoraScaleOp"/>: DMagnitude <c>+=</c> DG / Norm. The norm is a constant.</summary>
public readonly record struct DoraScaleGradients
{
    /// <summary>Gradient of G [1, N].</summary>
    public Tensor DG { get; init; }

    /// <summary>Gradient of the magnitude [1, N], <c>+=</c>.</summary>
    public Tensor DMagnitude { get; init; }
}
