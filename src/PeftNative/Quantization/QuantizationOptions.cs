using PeftNative.Ops;

namespace PeftNative.Quantization;

/// <summary>How the numbers of a frozen matrix are kept.</summary>
public enum QuantizationType
{
    /// <summary>
    /// 4-bit NormalFloat: the quantiles of a normal distribution (Dettmers et al. 2023, arXiv:2305.14314).
    /// </summary>
    Nf4,

    /// <summary>4-bit floating point: a sign, two bits of exponent, one of mantissa.</summary>
    Fp4,

    /// <summary>8-bit whole numbers, a maximum per row.</summary>
    Int8,
}

/// <summary>What products with a weight of 8-bit whole numbers are made of.</summary>
public enum Int8Compute
{
    /// <summary>The weight, dequantised for each of its products, and the activations as they are.</summary>
    Dequantize,

    /// <summary>
    /// The codes: activations, and in the backward their gradients, become 8-bit whole numbers too, row by row. Faster
    /// and less exact; see <see cref="LinearOp"/>.
    /// </summary>
    Integer,
}

/// <summary>
/// How the frozen linear layers of a model are quantised when it is loaded: as bitsandbytes does, so that an adapter
/// trained here finds the same base there. What stands on top of the layers, embeddings and norms stay as they are.
/// Immutable.
/// </summary>
public sealed record QuantizationOptions
{
    /// <summary>The codes.</summary>
    public QuantizationType Type { get; init; }

    /// <summary>Elements that share a maximum, for the 4-bit types; even.</summary>
    public int BlockSize { get; init; } = 64;

    /// <summary>Whether the maxima of the 4-bit types are quantised themselves, to 8 bits in blocks of 256.</summary>
    public bool DoubleQuantization { get; init; }

    /// <summary>What products are made of, for the 8-bit type.</summary>
    public Int8Compute Int8Compute { get; init; }

    /// <summary>Names of modules to leave alone: ends of their paths, or parts of them between dots.</summary>
    public IReadOnlyList<string> Skip { get; init; } = [];

    /// <summary>
    /// Whether maxima are read as bitsandbytes' AVX-512 kernel reads them, for replaying what it has computed: it takes
    /// the maximum of block row · ⌊columns / BlockSize⌋ + ⌊column / BlockSize⌋ where the columns are a multiple of 16,
    /// which is another block than the quantiser's unless they are a multiple of the block size.
    /// </summary>
    internal bool ReadsMaximaByRow { get; init; }

    /// <summary>Whether a module is quantised.</summary>
    internal bool Covers(string path) => !Skip.Any(name => $".{path}.".Contains($".{name}.", StringComparison.Ordinal));

    /// <summary>Checks the values, and that a backend can do what they ask for.</summary>
    /// <exception cref="UsageException">The block size is not an even number from 2 to 65536, or there are no codes of
    /// 8 bits to multiply, or the backend does not.</exception>
    internal void Validate(IBackend backend)
    {
        if (Int8Compute == Int8Compute.Integer && Type != QuantizationType.Int8)
            throw new UsageException($"There are no whole numbers of 8 bits to multiply in a base of type {Type}.",
                "--int8_compute integer", "Give --quantization int8 too.");
        if (Int8Compute == Int8Compute.Integer && !backend.MultipliesCodes)
            throw new UsageException(
                $"The backend '{backend.Name}' does not multiply whole numbers of 8 bits; it dequantises them.",
                "--int8_compute integer",
                "Leave it out, or take --backend cpu.");
        if (BlockSize is < 2 or > 65536 || BlockSize % 2 != 0)
            throw new UsageException(
                $"The block size of quantisation must be an even number from 2 to 65536, not {BlockSize}.",
                remedy: "64 is usual.");
    }
}
