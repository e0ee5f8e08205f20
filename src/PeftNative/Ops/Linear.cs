using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// A linear layer with everything a low-rank or scaling adapter adds to it. With X [M, K], W [N, K]:
/// <code>
/// U = (X ⊙ InputScale) Wᵀ + Σ_p scale_p (drop_p(X) A_pᵀ) B_pᵀ   (U is kept in PreScale when that is present)
/// Y = OutputScale ⊙ (U + Bias) + Residual                          or, with ScaleBeforeBias,
/// Y = OutputScale ⊙ U + Bias + Residual
/// </code>
/// PreScale holds what OutputScale multiplies: U + Bias, or U with ScaleBeforeBias. Absent operands drop out of the
/// formula. Y may be the same memory as Residual.
/// With WMaxima, W is codes of 8 bits, w_nk = W_nk / 127 · WMaxima_n, and X Wᵀ a product of codes. It is for
/// backends that have <see cref="IBackend.MultipliesCodes"/>. Each row v of X ⊙ InputScale becomes codes too:
/// <code>
/// q(v)_k = v_k / max|v| · 127                           to nearest, ties to even, in single precision
/// U_n = max|v| / 127 · WMaxima_n / 127 · Σ_k q(v)_k W_nk    the sum in whole numbers, exact
/// </code>
/// A row with a value that is not finite gives NaN. This is LLM.int8() without outliers (Dettmers et al. 2022,
/// arXiv:2208.07339). LoRA: Hu et al. 2021 (arXiv:2106.09685); IA3: Liu et al. 2022 (arXiv:2205.05638); DoRA: Liu et
/// al. 2024 (arXiv:2402.09353).
/// </summary>
public readonly record struct LinearOp
{
    /// <summary>Input [M, K].</summary>
    public Tensor X { get; init; }

    /// <summary>Weight [N, K], or its codes, int8.</summary>
    public Tensor W { get; init; }

    /// <summary>Largest magnitude of each row of the weight [1, N]; present exactly when W is codes.</summary>
    public Tensor WMaxima { get; init; }

    /// <summary>Bias [1, N]; optional.</summary>
    public Tensor Bias { get; init; }

    /// <summary>Low-rank pairs; only the first <see cref="LowRankCount"/> are used.</summary>
    public LowRankPair[]? LowRank { get; init; }

    /// <summary>Number of low-rank pairs.</summary>
    public int LowRankCount { get; init; }

    /// <summary>IA3 on the input [1, K]; optional.</summary>
    public Tensor InputScale { get; init; }

    /// <summary>IA3 or DoRA on the output [1, N]; optional.</summary>
    public Tensor OutputScale { get; init; }

    /// <summary>True: the bias is added after the output scale (DoRA); false: before (IA3).</summary>
    public bool ScaleBeforeBias { get; init; }

    /// <summary>Saved for the gradient of the output scale [M, N]; optional.</summary>
    public Tensor PreScale { get; init; }

    /// <summary>Added at the end [M, N]; optional.</summary>
    public Tensor Residual { get; init; }

    /// <summary>Output [M, N].</summary>
    public Tensor Y { get; init; }
}

/// <summary>
/// One low-rank addition <c>scale (drop(X) Aᵀ) Bᵀ</c> for a range of rows (a mixed batch has one pair per adapter
/// and range). Forward writes S (and DroppedX, if dropout is on); backward reads both.
/// </summary>
public record struct LowRankPair
{
    /// <summary>Down projection [R, K].</summary>
    public Tensor A { get; set; }

    /// <summary>Up projection [N, R].</summary>
    public Tensor B { get; set; }

    /// <summary>The factor, usually lora_alpha / r.</summary>
    public double Scale { get; set; }

    /// <summary>First row of X this pair works on.</summary>
    public int RowStart { get; set; }

    /// <summary>Number of rows; S and DroppedX have that many.</summary>
    public int RowCount { get; set; }

    /// <summary>Saved product drop(X) Aᵀ, without the scale [RowCount, R].</summary>
    public Tensor S { get; set; }

    /// <summary>
    /// Dropout on the input of A; probability 0 when off. Element index as in DroppedX: row 0 is row RowStart of X.
    /// </summary>
    public DropoutMask Dropout { get; set; }

    /// <summary>drop(X) [RowCount, K]; present exactly when dropout is on.</summary>
    public Tensor DroppedX { get; set; }

    /// <summary>Gradient of A [R, K], <c>+=</c>; absent when A is frozen.</summary>
    public Tensor GradA { get; set; }

    /// <summary>Gradient of B [N, R], <c>+=</c>; absent when B is frozen.</summary>
    public Tensor GradB { get; set; }
}

/// <summary>
/// Gradients of <see cref="LinearOp"/>. With dU = OutputScale ⊙ dY: dX <c>=</c> or <c>+=</c> InputScale ⊙ (dU W)
/// + Σ drop'(scale dU B A); all parameter gradients (also those in the pairs) are <c>+=</c>. With codes dU W is a
/// product of codes too: those of the rows of dU ⊙ WMaxima. The gradient of Residual is dY itself and not
/// written anywhere.
/// </summary>
public readonly record struct LinearGradients
{
    /// <summary>Gradient of the output [M, N].</summary>
    public Tensor DY { get; init; }

    /// <summary>Gradient of the input [M, K]; absent when nobody needs it. Must not overlap DY.</summary>
    public Tensor DX { get; init; }

    /// <summary>Whether DX is added to (true) or overwritten (false).</summary>
    public bool AccumulateDX { get; init; }

    /// <summary>Gradient of the weight [N, K], <c>+=</c>; absent for frozen weights.</summary>
    public Tensor DW { get; init; }

    /// <summary>Gradient of the bias [1, N], <c>+=</c>.</summary>
    public Tensor DBias { get; init; }

    /// <summary>Gradient of the input scale [1, K], <c>+=</c>.</summary>
    public Tensor DInputScale { get; init; }

    /// <summary>Gradient of the output scale [1, N], <c>+=</c>; needs PreScale.</summary>
    public Tensor DOutputScale { get; init; }

    /// <summary>
    /// Scratch of the backend: at least M * (N + K + the largest R) elements of the type of X, contiguous, one row. It
    /// may be absent where there are neither scales nor gradients of parameters.
    /// </summary>
    public Tensor Scratch { get; init; }
}
