namespace PeftNative.Tokenizers.Patterns;

/// <summary>Makes the matcher of a regular expression: a scanner written by hand for the common ones, else the general engine.</summary>
internal static class PatternFactory
{
    /// <summary>GPT-2's pattern, which the ByteLevel pre-tokenizer has built in.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>The matcher of a pattern.</summary>
    /// <exception cref="ModelFormatException">The pattern cannot be read.</exception>
    public static SplitPattern Create(string pattern) => new RegexPattern(pattern);
}
