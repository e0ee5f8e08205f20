using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>Picks rows: Y[i] = X[Rows[i]].</summary>
public readonly record struct GatherOp
{
    /// <summary>Input [M, D].</summary>
    public Tensor X { get; init; }

    /// <summary>Row numbers, int32 [1, n].</summary>
    public Tensor Rows { get; init; }

    /// <summary>Output [n, D].</summary>
    public Tensor Y { get; init; }
}

/// <summary>Gradient of <see cref="GatherOp"/>: DX[Rows[i]] <c>+=</c> DY[i], in the order of i.</summary>
public readonly record struct GatherGradients
{
    /// <summary>Gradient of the picked rows [n, D].</summary>
    public Tensor DY { get; init; }

    /// <summary>Gradient of the input [M, D], added to.</summary>
    public Tensor DX { get; init; }
}
