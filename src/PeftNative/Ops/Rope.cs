using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// Rotary position embedding in place on the heads of X (Su et al. 2021, arXiv:2104.09864; the "rotate half" order of
/// Hugging Face): within each head, for i &lt; R/2, (x_i, x_{i+R/2}) turns by the angle of row Positions[m], column i
/// of the tables; R = 2 · table columns; the rest of the head is left alone.
/// </summary>
public readonly record struct RopeOp
{
    /// <summary>Heads of each row, in place [M, …]; head h starts at column h · HeadStride.</summary>
    public Tensor X { get; init; }

    /// <summary>Number of heads.</summary>
    public int Heads { get; init; }

    /// <summary>Columns from one head to the next.</summary>
    public int HeadStride { get; init; }

    /// <summary>Positions, int32 [1, M]: rows of the tables.</summary>
    public Tensor Positions { get; init; }

    /// <summary>Cosines [positions, R/2], any scale (yarn) folded in.</summary>
    public Tensor Cos { get; init; }

    /// <summary>Sines [positions, R/2], with the same scale.</summary>
    public Tensor Sin { get; init; }
}
