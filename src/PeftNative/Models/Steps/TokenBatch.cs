namespace PeftNative.Models.Steps;

/// <summary>
/// Sequences as the engine takes them: all tokens in one row of rows, no padding anywhere. Sequence s is the tokens
/// from Offsets[s] up to Offsets[s + 1]. Immutable, as its arrays should stay.
/// </summary>
public sealed class TokenBatch
{
    /// <summary>Creates a batch; the arrays are used as they are.</summary>
    /// <param name="tokens">Token ids of all sequences.</param>
    /// <param name="offsets">Starts of the sequences and, last, the number of tokens.</param>
    /// <param name="positions">Position of each token in its sequence; null for 0, 1, 2, …</param>
    /// <param name="types">Token type of each token; null for zeros.</param>
    /// <exception cref="ArgumentException">The arrays do not fit each other.</exception>
    public TokenBatch(int[] tokens, int[] offsets, int[]? positions = null, int[]? types = null)
    {
        if (offsets.Length == 0 || offsets[0] != 0 || offsets[^1] != tokens.Length)
            throw new ArgumentException("offsets must begin with 0 and end with the number of tokens", nameof(offsets));
        for (var s = 1; s < offsets.Length; s++)
            if (offsets[s] < offsets[s - 1]) throw new ArgumentException("offsets must not fall", nameof(offsets));
        if ((positions ?? tokens).Length != tokens.Length || (types ?? tokens).Length != tokens.Length)
            throw new ArgumentException("positions and types need one entry per token", nameof(positions));
        (Tokens, Offsets, Positions, Types) = (tokens, offsets, positions, types);
    }

    /// <summary>Token ids.</summary>
    public int[] Tokens { get; }

    /// <summary>Starts of the sequences and, last, the number of tokens.</summary>
    public int[] Offsets { get; }

    /// <summary>Positions, or null for counting up in every sequence.</summary>
    public int[]? Positions { get; }

    /// <summary>Token types, or null for zeros.</summary>
    public int[]? Types { get; }

    /// <summary>
    /// What the encoder of an encoder-decoder model reads, sequence by sequence; this batch is then what its decoder is
    /// given. Null for other models.
    /// </summary>
    public TokenBatch? Source { get; init; }

    /// <summary>Number of sequences.</summary>
    public int SequenceCount => Offsets.Length - 1;

    /// <summary>Tokens in a sequence.</summary>
    public int Length(int sequence) => Offsets[sequence + 1] - Offsets[sequence];
}
