using System.Runtime.InteropServices;
using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// Which elements a dropout keeps: a pure function of (Key, Stream, element index), so the backward makes the same mask
/// again and nothing is stored. Element i is kept when word i mod 4 of Philox4x32-10 with key (low, high word of Key)
/// and counter (low, high word of i / 4, low, high word of Stream), as a fraction of 2^32, is at least Probability;
/// kept elements are divided by 1 - Probability.
/// </summary>
/// <param name="Probability">Probability to drop, in [0, 1); 0 means no dropout.</param>
/// <param name="Key">The run's seed and purpose.</param>
/// <param name="Stream">Step and place (layer, adapter).</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct DropoutMask(float Probability, ulong Key, ulong Stream)
{
    /// <summary>Whether anything is dropped.</summary>
    public bool IsOn => Probability > 0;
}

/// <summary>
/// Y = drop(X) or, with Accumulate, Y += drop(X); element index row · columns + column. Its own transpose, so also the
/// backward.
/// </summary>
public readonly record struct DropoutOp
{
    /// <summary>Input [M, N].</summary>
    public Tensor X { get; init; }

    /// <summary>The mask.</summary>
    public DropoutMask Mask { get; init; }

    /// <summary>Whether Y is added to.</summary>
    public bool Accumulate { get; init; }

    /// <summary>Output [M, N]; may be X.</summary>
    public Tensor Y { get; init; }
}
