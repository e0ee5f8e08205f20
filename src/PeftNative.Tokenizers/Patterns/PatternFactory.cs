namespace PeftNative.Tokenizers.Patterns;

/// <summary>
/// Makes the matcher of a regular expression: a scanner written by hand for the common ones, else the general engine.
/// </summary>
internal static class PatternFactory
{
    /// <summary>GPT-2's pattern, which the ByteLevel pre-tokenizer has built in.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>The pattern of Llama 3: numbers in threes.</summary>
    public const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Cl100k =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"
            + @"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    /// <summary>The pattern of Qwen 2: digits one by one.</summary>
    public const string Qwen2 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The matcher of a pattern.</summary>
    /// <exception cref="ModelFormatException">The pattern cannot be read.</exception>
    public static SplitPattern Create(string pattern) => pattern switch
    {
        Gpt2 => new Gpt2Scanner(),
        Llama3 or Cl100k => new Cl100kScanner(3),
        Qwen2 => new Cl100kScanner(1),
        _ => new RegexPattern(pattern),
    };
}
