using PeftNative.Tokenizers.Encodings;
using PeftNative.Tokenizers.Models;

namespace PeftNative.Tokenizers.Templates;

/// <summary>Which tokens of the two texts stay.</summary>
internal readonly record struct Selection(
    bool IsPair, int FirstStart, int FirstCount, int SecondStart, int SecondCount, bool Truncated);

/// <summary>Puts the tokens of one or two texts into the template and pads.</summary>
internal sealed class Assembler(PostProcessing processing, TokenModel model, bool hasTokenTypes)
{
    private readonly SpaceTrim? trim = processing.Trims.Length > 0 ? new(model) : null;

    /// <summary>Whether type ids are given out.</summary>
    public bool HasTokenTypes => hasTokenTypes;

    /// <summary>How many special tokens the template adds.</summary>
    public int Added(bool isPair) => processing.Template.Added(isPair);

    /// <summary>The number of tokens without padding.</summary>
    public int Length(in Selection selection, EncodeOptions options)
    {
        var length = 0;
        foreach (var piece in processing.Template.Pieces(selection.IsPair))
        {
            length += piece.Source switch
            {
                0 => selection.FirstCount,
                1 => selection.SecondCount,
                _ => options.AddSpecialTokens ? piece.Ids.Length : 0,
            };
        }
        return length;
    }

    /// <summary>The length a row is padded to, given the longest row.</summary>
    public static int PaddedLength(int longest, EncodeOptions options)
    {
        if (options.Padding == Padding.None) return longest;
        var length = options.Padding == Padding.Fixed ? options.PadLength : longest;
        var excess = options.PadToMultipleOf > 0 ? length % options.PadToMultipleOf : 0;
        return excess == 0 ? length : checked(length + options.PadToMultipleOf - excess);
    }

    /// <summary>Builds the result for one text or pair.</summary>
    public TokenEncoding Build(TokenList first, TokenList second, in Selection selection, EncodeOptions options)
    {
        var used = Length(selection, options);
        var length = Math.Max(used, PaddedLength(used, options));
        var result = new TokenEncoding(
            new int[length], new byte[length], hasTokenTypes ? new byte[length]
                : null, new int[length], new int[length],
            new sbyte[length], selection.Truncated);
        var begin = Pad(result.Ids, result.AttentionMask, used, options);
        result.Sources.AsSpan().Fill(-1);
        WriteIds(first, second, selection, options, result.Ids.AsSpan(begin, used));
        if (result.TokenTypes is { } types) WriteTypes(selection, options, types.AsSpan(begin, used));
        WriteOffsets(first, second, selection, options, result, begin);
        return result;
    }

    /// <summary>Fills the padding of a row and its mask.</summary>
    /// <returns>Where the tokens begin.</returns>
    public static int Pad(Span<int> ids, Span<byte> mask, int used, EncodeOptions options)
    {
        var begin = options.PaddingSide == Side.Left ? ids.Length - used : 0;
        mask.Clear();
        mask.Slice(begin, used).Fill(1);
        if (used == ids.Length) return begin;
        var id = options.PaddingId ?? throw new UsageException(
            "The tokenizer has no padding token.", "padding", "Set PaddingId, for example to the end-of-sequence id.");
        ids[..begin].Fill(id);
        ids[(begin + used)..].Fill(id);
        return begin;
    }

    /// <summary>Writes the ids of a row.</summary>
    public void WriteIds(TokenList first, TokenList second, in Selection selection, EncodeOptions options,
        Span<int> ids)
    {
        foreach (var piece in processing.Template.Pieces(selection.IsPair))
        {
            ReadOnlySpan<int> part = piece.Source switch
            {
                0 => first.Ids.Slice(selection.FirstStart, selection.FirstCount),
                1 => second.Ids.Slice(selection.SecondStart, selection.SecondCount),
                _ => options.AddSpecialTokens ? piece.Ids : [],
            };
            part.CopyTo(ids);
            ids = ids[part.Length..];
        }
    }

    /// <summary>Writes the type ids of a row.</summary>
    public void WriteTypes(in Selection selection, EncodeOptions options, Span<byte> types)
    {
        foreach (var piece in processing.Template.Pieces(selection.IsPair))
        {
            var count = piece.Source switch
            {
                0 => selection.FirstCount,
                1 => selection.SecondCount,
                _ => options.AddSpecialTokens ? piece.Ids.Length : 0,
            };
            types[..count].Fill(piece.TypeId);
            types = types[count..];
        }
    }

    private void WriteOffsets(
        TokenList first, TokenList second, in Selection selection, EncodeOptions options, TokenEncoding result, int at)
    {
        foreach (var piece in processing.Template.Pieces(selection.IsPair))
        {
            if (piece.Source < 0)
            {
                at += options.AddSpecialTokens ? piece.Ids.Length : 0;
                continue;
            }
            var (tokens, from, count) = piece.Source == 0 ? (first, selection.FirstStart, selection.FirstCount)
                : (second, selection.SecondStart, selection.SecondCount);
            for (var i = 0; i < count; i++, at++)
            {
                int start = tokens.Starts[from + i], end = tokens.Ends[from + i];
                foreach (var addPrefixSpace in processing.Trims)
                    trim!.Apply(tokens, from + i, i, addPrefixSpace, ref start, ref end);
                (result.Starts[at], result.Ends[at], result.Sources[at]) = (start, end, (sbyte)piece.Source);
            }
        }
    }
}

/// <summary>Collects the rows of a batch in one array and spreads them out once all lengths are known.</summary>
internal sealed class BatchBuilder(Assembler assembler, EncodeOptions options, int rows)
{
    private readonly (int Start, int Length, Selection Selection)[] done = new (int, int, Selection)[rows];
    private int[] ids = new int[1024];
    private int used, count, longest;

    /// <summary>Adds a row.</summary>
    public void Add(TokenList first, TokenList second, in Selection selection)
    {
        var length = assembler.Length(selection, options);
        if (used + length > ids.Length) Array.Resize(ref ids, Math.Max(ids.Length * 2, used + length));
        assembler.WriteIds(first, second, selection, options, ids.AsSpan(used, length));
        done[count++] = (used, length, selection);
        used += length;
        longest = Math.Max(longest, length);
    }

    /// <summary>Pads the rows and makes the batch.</summary>
    public EncodedTexts Build()
    {
        var starts = new int[count + 1];
        var padded = options.Padding == Padding.None ? 0 : Assembler.PaddedLength(longest, options);
        for (var row = 0; row < count; row++)
            starts[row + 1] = checked(starts[row] + Math.Max(padded, done[row].Length));
        var total = starts[count];
        var batch = new EncodedTexts(new int[total], new byte[total], assembler.HasTokenTypes ? new byte[total]
            : null, starts);
        for (var row = 0; row < count; row++)
        {
            var (start, length, selection) = done[row];
            var range = starts[row]..starts[row + 1];
            var begin = Assembler.Pad(batch.Ids.AsSpan(range), batch.AttentionMask.AsSpan(range), length, options);
            ids.AsSpan(start, length).CopyTo(batch.Ids.AsSpan(starts[row] + begin));
            if (batch.TokenTypes is { } types)
                assembler.WriteTypes(selection, options, types.AsSpan(starts[row] + begin, length));
        }
        return batch;
    }
}
