using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// The input of a transformer: for each row i with token id t = Tokens[i]
/// <code>
/// t ≥ 0:     Y_i = TokenScale · (Table[t] + LowRankScale · A[:, t]ᵀ Bᵀ) + P_i
/// t &lt; 0:  Y_i = Virtual[-1 - t] + P_i
///            P_i = PositionTable[Positions[i]] + TypeTable[Types[i]]
/// </code>
/// Absent tables drop out. Virtual rows are the trained embeddings of prompt tuning and P-tuning.
/// </summary>
public readonly record struct EmbeddingOp
{
    /// <summary>Token ids, int32 [1, M]; -1 - v is virtual token v.</summary>
    public Tensor Tokens { get; init; }

    /// <summary>Positions, int32 [1, M]; needed with a position table.</summary>
    public Tensor Positions { get; init; }

    /// <summary>Token types, int32 [1, M]; needed with a type table.</summary>
    public Tensor Types { get; init; }

    /// <summary>Token embeddings [V, D].</summary>
    public Tensor Table { get; init; }

    /// <summary>Position embeddings [P, D]; optional.</summary>
    public Tensor PositionTable { get; init; }

    /// <summary>Token type embeddings [types, D]; optional.</summary>
    public Tensor TypeTable { get; init; }

    /// <summary>Virtual token embeddings [virtual tokens, D]; optional.</summary>
    public Tensor Virtual { get; init; }

    /// <summary>Factor on the token embedding (1, or √D for Gemma).</summary>
    public double TokenScale { get; init; }

    /// <summary>LoRA on the table: A [R, V]; optional.</summary>
    public Tensor A { get; init; }

    /// <summary>LoRA on the table: B [D, R].</summary>
    public Tensor B { get; init; }

    /// <summary>LoRA factor.</summary>
    public double LowRankScale { get; init; }

    /// <summary>Output [M, D].</summary>
    public Tensor Y { get; init; }
}

/// <summary>
/// Gradients of <see cref="EmbeddingOp"/>; all <c>+=</c>, summed over rows in row order; absent ones are skipped.
/// </summary>
public readonly record struct EmbeddingGradients
{
    /// <summary>Gradient of the output [M, D].</summary>
    public Tensor DY { get; init; }

    /// <summary>Gradient of the token table [V, D].</summary>
    public Tensor DTable { get; init; }

    /// <summary>Gradient of the position table.</summary>
    public Tensor DPositionTable { get; init; }

    /// <summary>Gradient of the type table.</summary>
    public Tensor DTypeTable { get; init; }

    /// <summary>Gradient of the virtual tokens.</summary>
    public Tensor DVirtual { get; init; }

    /// <summary>Gradient of A [R, V].</summary>
    public Tensor DA { get; init; }

    /// <summary>Gradient of B [D, R].</summary>
    public Tensor DB { get; init; }
}
