namespace PeftNative.Tokenizers.Encodings;

/// <summary>An encoded text or pair; the arrays have one entry per token.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="AttentionMask">1, or 0 for padding.</param>
/// <param name="TokenTypes">The template's type ids; null where the family has none.</param>
/// <param name="Starts">
/// First UTF-16 code unit of each token in the text it came from; 0 for special tokens and padding.
/// </param>
/// <param name="Ends">One past the last code unit; 0 for special tokens and padding.</param>
/// <param name="Sources">
/// 0: from the first text, 1: from the second, -1: a special token of the template, or padding.
/// </param>
/// <param name="Truncated">Whether something was cut off.</param>
public sealed record TokenEncoding(
    int[] Ids, byte[] AttentionMask, byte[]? TokenTypes, int[] Starts, int[] Ends, sbyte[] Sources, bool Truncated)
{
    /// <summary>The offsets in Unicode code points instead of UTF-16 code units.</summary>
    /// <param name="text">The text that was encoded.</param>
    /// <param name="pair">The second text, where there was one.</param>
    public (int[] Starts, int[] Ends) CodePointOffsets(string text, string? pair = null)
    {
        int[][] maps = [CodePointIndex(text), pair is null ? [] : CodePointIndex(pair)];
        var starts = (int[])Starts.Clone();
        var ends = (int[])Ends.Clone();
        for (var i = 0; i < Ids.Length; i++)
        {
            if (Sources[i] < 0) continue;
            starts[i] = maps[Sources[i]][starts[i]];
            ends[i] = maps[Sources[i]][ends[i]];
        }
        return (starts, ends);
    }

    private static int[] CodePointIndex(string text)
    {
        var index = new int[text.Length + 1];
        for (var i = 0; i < text.Length; i++)
        {
            if (i > 0 && char.IsSurrogatePair(text[i - 1], text[i])) index[i] = index[i - 1];
            index[i + 1] = index[i] + 1;
        }
        return index;
    }
}

/// <summary>Several encoded texts in flat arrays, row after row.</summary>
/// <param name="Ids">Token ids of all rows.</param>
/// <param name="AttentionMask">1, or 0 for padding.</param>
/// <param name="TokenTypes">Type ids; null where the family has none.</param>
/// <param name="RowStarts">
/// Where each row begins, and at the end the total; rows are of equal length where they are padded.
/// </param>
public sealed record EncodedTexts(int[] Ids, byte[] AttentionMask, byte[]? TokenTypes, int[] RowStarts)
{
    /// <summary>The number of rows.</summary>
    public int Rows => RowStarts.Length - 1;

    /// <summary>The ids of one row.</summary>
    public ReadOnlySpan<int> Row(int row) => Ids.AsSpan(RowStarts[row]..RowStarts[row + 1]);

    /// <summary>The attention mask of one row.</summary>
    public ReadOnlySpan<byte> Mask(int row) => AttentionMask.AsSpan(RowStarts[row]..RowStarts[row + 1]);

    /// <summary>The type ids of one row; empty where the family has none.</summary>
    public ReadOnlySpan<byte> Types(int row) =>
        TokenTypes is null ? [] : TokenTypes.AsSpan(RowStarts[row]..RowStarts[row + 1]);
}
