using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// Softmax attention over segments (one per sequence), with grouped-query heads, without ever padding:
/// <code>
/// Y[i, h] = Σ_j softmax_j(cap(Scale · Q[i, h]·K[j, g] + bias(i, j, h))) V[j, g],   g = h / (Heads / KvHeads)
/// </code>
/// Row s of <see cref="Segments"/> is (first query row, queries, first key row, keys, first prefix row, prefix rows).
/// The prefix keys and values stand in front and are visible to every query of the segment. With Causal, query i sees
/// key j when j ≤ i + keys - queries; with Window > 0 additionally j > i + keys - queries - Window (the prefix counts
/// as positions before key 0). cap(x) = SoftCap · tanh(x / SoftCap) when SoftCap > 0. Heads lie HeadStride columns
/// apart in Q (and K, V: KvHeadStride), so that q, k and v may be parts of one matrix. A query that sees no key gives
/// zeros. Rows that no segment names are not written.
/// </summary>
public readonly record struct AttentionOp
{
    /// <summary>Queries [M, …].</summary>
    public Tensor Q { get; init; }

    /// <summary>Keys [Mk, …].</summary>
    public Tensor K { get; init; }

    /// <summary>Values [Mk, …].</summary>
    public Tensor V { get; init; }

    /// <summary>
    /// Prefix keys [P, KvHeads · HeadDim], contiguous heads; optional (prefix tuning, arXiv:2101.00190).
    /// </summary>
    public Tensor PrefixK { get; init; }

    /// <summary>Prefix values [P, KvHeads · HeadDim].</summary>
    public Tensor PrefixV { get; init; }

    /// <summary>
    /// int32 [sequences, 6], see above. Kept in host memory by every backend that plans launches from it.
    /// </summary>
    public Tensor Segments { get; init; }

    /// <summary>Query heads.</summary>
    public int Heads { get; init; }

    /// <summary>Key/value heads; divides Heads.</summary>
    public int KvHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public int HeadDim { get; init; }

    /// <summary>Columns from one query head to the next.</summary>
    public int HeadStride { get; init; }

    /// <summary>Columns from one key (or value) head to the next.</summary>
    public int KvHeadStride { get; init; }

    /// <summary>Factor on the dot product.</summary>
    public double Scale { get; init; }

    /// <summary>Whether a query sees only keys up to its own place.</summary>
    public bool Causal { get; init; }

    /// <summary>Width of the sliding window; 0 for none.</summary>
    public int Window { get; init; }

    /// <summary>Soft cap of the scores; 0 for none.</summary>
    public double SoftCap { get; init; }

    /// <summary>Relative position bias [buckets, Heads] of T5; optional.</summary>
    public Tensor RelativeBias { get; init; }

    /// <summary>Largest distance the buckets of the relative bias tell apart.</summary>
    public int RelativeMaxDistance { get; init; }

    /// <summary>Whether the buckets tell keys before from keys after (encoders).</summary>
    public bool RelativeBidirectional { get; init; }

    /// <summary>Dropout on the attention probabilities; probability 0 when off. Element index ((row · Heads + h) · 2^20
    /// + key), keys counted with the prefix in front.</summary>
    public DropoutMask Dropout { get; init; }

    /// <summary>Output [M, Heads · HeadDim], contiguous heads.</summary>
    public Tensor Y { get; init; }

    /// <summary>Saved log of the softmax denominator [M, Heads]; needed for the backward.</summary>
    public Tensor LogSumExp { get; init; }
}

/// <summary>
/// Gradients of <see cref="AttentionOp"/>; reads Y and LogSumExp. DQ, DK, DV <c>=</c> with the strides of Q, K, V (all
/// rows named by segments are written); DPrefixK, DPrefixV and DRelativeBias <c>+=</c>, summed over sequences in order;
/// absent ones are skipped.
/// </summary>
public readonly record struct AttentionGradients
{
    /// <summary>Gradient of the output [M, Heads · HeadDim].</summary>
    public Tensor DY { get; init; }

    /// <summary>Gradient of the queries, overwritten; optional.</summary>
    public Tensor DQ { get; init; }

    /// <summary>Gradient of the keys, overwritten; optional.</summary>
    public Tensor DK { get; init; }

    /// <summary>Gradient of the values, overwritten; optional.</summary>
    public Tensor DV { get; init; }

    /// <summary>Gradient of the prefix keys, added to; optional.</summary>
    public Tensor DPrefixK { get; init; }

    /// <summary>Gradient of the prefix values, added to; optional.</summary>
    public Tensor DPrefixV { get; init; }

    /// <summary>Gradient of the relative bias, added to; optional.</summary>
    public Tensor DRelativeBias { get; init; }

    /// <summary>Scratch [M, Heads] of the parameter type, for Σ dY ⊙ Y.</summary>
    public Tensor Delta { get; init; }
}
