using PeftNative.Tokenizers.Encodings;

namespace PeftNative.Tokenizers.Files.Parts;

/// <summary>What tokenizer_config.json and special_tokens_map.json say beside tokenizer.json.</summary>
internal sealed record TokenizerSettings
{
    /// <summary>Special tokens by role.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether type ids are given out; null: decide by the model.</summary>
    public bool? HasTokenTypes { get; init; }

    /// <summary>The longest input, or null.</summary>
    public int? ModelMaxLength { get; init; }

    /// <summary>The end that is padded.</summary>
    public Side PaddingSide { get; init; }

    /// <summary>The end that is cut off.</summary>
    public Side TruncationSide { get; init; }

    /// <summary>Whether decoding removes spaces before punctuation.</summary>
    public bool CleanUpSpaces { get; init; }

    /// <summary>Whether it does so for BPE models too, where it destroys spaces that were in the text.</summary>
    public bool CleanUpEvenForBpe { get; init; }

    /// <summary>Whether special tokens in a text are treated as plain text.</summary>
    public bool SplitSpecialTokens { get; init; }
}
