namespace PeftNative.Data.Records;

/// <summary>Records that are too many to be held, so that what is made of them must not be held either.</summary>
internal interface IRecordsOnDisk
{
    /// <summary>What tells these records, in their order, from others.</summary>
    string Digest { get; }

    /// <summary>See <see cref="TokenBound"/>.</summary>
    int BoundOf(int index);
}

/// <summary>
/// How many tokens the part of a record that decides whether something is left to learn can have at most: the text, or
/// the prompt. A token stands for a byte at least, after what normalisation makes of a text.
/// </summary>
internal static class TokenBound
{
    /// <summary>The bound where nothing can be said.</summary>
    public const int Unknown = int.MaxValue;

    /// <summary>Normalisation to composed or decomposed characters makes at most three of one, compatibility
    /// aside.</summary>
    private const int MostGrowth = 3;

    /// <summary>The bound of a record.</summary>
    public static int Of(DataRecord record) => record switch
    {
        TextRecord text => Of(text.Text),
        PromptRecord { System: null, Completion: { } completion } prompt when HasPlainText(completion) =>
            Of(prompt.Prompt),
        TaggedRecord { Tokens: [var first, ..] } when HasPlainText(first) => 1,
        _ => Unknown,
    };

    private static int Of(string text)
    {
        if (!HasPlainText(text)) return Unknown;
        if (System.Text.Ascii.IsValid(text)) return text.Length;
        var bytes = 0;
        foreach (var c in text)
        {
            // Arabic ligatures and squared words, which compatibility forms write out.
            if (c is '\uFDFA' or '\uFDFB' or (>= '\u3300' and <= '\u33FF')) return Unknown;
            bytes += c < 0x80 ? 1 : 3 * MostGrowth;
        }
        return bytes;
    }

    // A letter or digit that no tokenizer drops.
    private static bool HasPlainText(string text) => text.AsSpan().ContainsAnyInRange('0', '9')
        || text.AsSpan().ContainsAnyInRange('a', 'z') || text.AsSpan().ContainsAnyInRange('A', 'Z');
}
