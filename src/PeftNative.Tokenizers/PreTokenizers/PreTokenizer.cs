using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.PreTokenizers;

/// <summary>A step that cuts the text into the words the model works on.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Cuts or rewrites the pieces.</summary>
    public abstract void Apply(PieceList pieces);
}

/// <summary>Splits at the matches of a pattern.</summary>
internal sealed class SplitPreTokenizer(SplitPattern pattern, SplitBehavior behavior, bool invert = false)
    : PreTokenizer
{
    /// <inheritdoc/>
    public override void Apply(PieceList pieces) => pieces.Split(pattern, behavior, invert);
}

/// <summary>
/// A space in front if asked for, GPT-2's split if asked for, and bytes written as printable characters.
/// </summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : PreTokenizer
{
    private static readonly Gpt2Scanner Gpt2 = new();

    /// <inheritdoc/>
    public override void Apply(PieceList pieces)
    {
        if (addPrefixSpace) pieces.Rewrite(static (list, piece, target) => Prefix.Write(list, piece, " ", target));
        if (useRegex) pieces.Split(Gpt2, SplitBehavior.Isolated);
        pieces.Rewrite(static (list, piece, target) =>
            ByteAlphabet.Write(list.Text, piece.Start, piece.Length, target));
    }
}

/// <summary>Where Metaspace and ByteLevel put their prefix.</summary>
internal enum PrependScheme { Always, First, Never }

/// <summary>Spaces become a visible character, one is put in front, and the text is split before each.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : PreTokenizer
{
    private readonly string prefix = replacement.ToString();
    private readonly LiteralPattern pattern = new(replacement.ToString());
    private Action<PieceList, Piece, AlignedText>? write;

    /// <inheritdoc/>
    public override void Apply(PieceList pieces)
    {
        ReplaceSpaces(pieces);
        if (scheme != PrependScheme.Never) pieces.Rewrite(write ??= Write);
        if (split) pieces.Split(pattern, SplitBehavior.MergedWithNext);
    }

    private void ReplaceSpaces(PieceList pieces)
    {
        foreach (var piece in pieces.Items)
        {
            if (piece.Token >= 0) continue;
            for (var i = piece.Start; i < piece.Start + piece.Length; i++)
            {
                if (pieces.Text.Chars[i] == ' ') pieces.Text.Set(i, replacement);
            }
        }
    }

    private void Write(PieceList list, Piece piece, AlignedText target)
    {
        if (scheme == PrependScheme.Always || list.Text.StartOf(piece.Start) == 0)
            Prefix.Write(list, piece, prefix, target);
        else target.Add(list.Text, piece.Start, piece.Length);
    }
}

/// <summary>Puts a prefix in front of a piece that does not begin with it.</summary>
internal static class Prefix
{
    /// <summary>Writes the piece.</summary>
    public static void Write(PieceList list, Piece piece, string prefix, AlignedText target)
    {
        if (list.CharsOf(piece).StartsWith(prefix)) target.Add(list.Text, piece.Start, piece.Length);
        else PrependNormalizer.Prepend(list.Text, piece.Start, piece.Length, prefix, target);
    }
}

/// <summary>Pieces of a fixed number of characters.</summary>
internal sealed class FixedLengthPreTokenizer(int length) : PreTokenizer
{
    /// <inheritdoc/>
    public override void Apply(PieceList pieces) => pieces.Split(new ChunkPattern(length), SplitBehavior.Isolated);

    private sealed class ChunkPattern(int length) : SplitPattern
    {
        public override bool Next(ReadOnlySpan<char> text, int from, out int start, out int end)
        {
            start = end = from;
            for (var i = 0; i < length && end < text.Length; i++)
            {
                AlignedText.CodePoint(text, end, out var units);
                end += units;
            }
            return end > start;
        }
    }
}
