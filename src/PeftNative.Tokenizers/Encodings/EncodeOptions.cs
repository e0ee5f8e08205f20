namespace PeftNative.Tokenizers.Encodings;

/// <summary>Which text is shortened when a pair is too long.</summary>
public enum TruncationStrategy
{
    /// <summary>The longer of the two, until both fit.</summary>
    LongestFirst,

    /// <summary>Only the first.</summary>
    OnlyFirst,

    /// <summary>Only the second.</summary>
    OnlySecond,
}

/// <summary>An end of a sequence.</summary>
public enum Side
{
    /// <summary>The end.</summary>
    Right,

    /// <summary>The beginning.</summary>
    Left,
}

/// <summary>How far sequences are padded.</summary>
public enum Padding
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>To the longest of the batch.</summary>
    Longest,

    /// <summary>To <see cref="EncodeOptions.PadLength"/>.</summary>
    Fixed,
}

/// <summary>
/// What <see cref="HfTokenizer.EncodeText"/> and <see cref="HfTokenizer.EncodeBatch"/> do beyond the bare ids.
/// </summary>
public sealed record EncodeOptions
{
    /// <summary>Special tokens, no limit, no padding.</summary>
    public static EncodeOptions Default { get; } = new();

    /// <summary>Whether the template's special tokens are added.</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>The largest number of ids, special tokens included; null: no limit.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Which text gives way.</summary>
    public TruncationStrategy Truncation { get; init; }

    /// <summary>The end that is cut off; null: the tokenizer's own.</summary>
    public Side? TruncationSide { get; init; }

    /// <summary>How far to pad.</summary>
    public Padding Padding { get; init; }

    /// <summary>The length for <see cref="Padding.Fixed"/>; longer sequences stay as they are.</summary>
    public int PadLength { get; init; }

    /// <summary>The end that is padded; null: the tokenizer's own.</summary>
    public Side? PaddingSide { get; init; }

    /// <summary>The padded length is rounded up to a multiple of this; 0: not.</summary>
    public int PadToMultipleOf { get; init; }

    /// <summary>The id to pad with; null: the tokenizer's own.</summary>
    public int? PaddingId { get; init; }
}
