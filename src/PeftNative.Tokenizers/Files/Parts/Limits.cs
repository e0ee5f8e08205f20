namespace PeftNative.Tokenizers.Files.Parts;

/// <summary>What a tokenizer file may hold at most; beyond it the file is broken or hostile.</summary>
internal static class Limits
{
    /// <summary>Bytes of tokenizer.json and the vocabulary files.</summary>
    public const long FileBytes = 256L << 20;

    /// <summary>Bytes of the small configuration files.</summary>
    public const long ConfigBytes = 4L << 20;

    /// <summary>Tokens of a vocabulary, and merges.</summary>
    public const int Tokens = 4_000_000;

    /// <summary>UTF-16 code units of a token.</summary>
    public const int TokenLength = 4096;

    /// <summary>The largest id.</summary>
    public const int MaxId = (1 << 24) - 1;

    /// <summary>Steps of a sequence of components, all levels together.</summary>
    public const int Components = 256;

    /// <summary>Checks a token.</summary>
    public static string CheckToken(string token, string where) => token.Length <= TokenLength ? token
        : throw new ModelFormatException($"A token is longer than {TokenLength} characters.", where);

    /// <summary>Checks the number of tokens or merges.</summary>
    public static void CheckCount(int count, string where)
    {
        if (count > Tokens) throw new ModelFormatException($"There are more than {Tokens:N0} entries.", where);
    }
}
