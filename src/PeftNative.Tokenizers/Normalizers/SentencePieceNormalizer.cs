using System.Text;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>What a SentencePiece model says of normalization.</summary>
internal sealed record SentencePieceRules(CharsMap? Map, bool AddDummyPrefix, bool RemoveExtraSpaces,
    bool EscapeSpaces);

/// <summary>
/// Normalization as the SentencePiece library does it: at each place the longest key of the character map, symbols of
/// the user untouched, spaces collapsed and made visible. Ours because Microsoft.ML.Tokenizers cannot read such a model
/// at all (T5) or merges differently.
/// </summary>
internal sealed class SentencePieceNormalizer(SentencePieceRules rules, IEnumerable<string> userSymbols) : Normalizer
{
    private const char VisibleSpace = '▁';
    private readonly string[] symbols = [.. userSymbols.Where(s => s.Length > 0).OrderByDescending(s => s.Length)];

    private char Space => rules.EscapeSpaces ? VisibleSpace : ' ';

    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var text = source.Chars.Slice(start, length);
        Span<char> buffer = stackalloc char[256];
        var at = 0;
        while (rules.RemoveExtraSpaces && at < length && Step(text, at, buffer, out var skipped) is [' '])
            at += skipped;
        var begin = target.Length;
        if (at < length && rules.AddDummyPrefix)
            target.Add(Space, source.StartOf(start + at), source.StartOf(start + at));
        for (var afterSpace = rules.RemoveExtraSpaces; at < length;)
        {
            var piece = Step(text, at, buffer, out var units);
            if (afterSpace) piece = piece.TrimStart(' ');
            var (from, to) = (source.StartOf(start + at), source.EndOf(start + at + units - 1));
            foreach (var c in piece) target.Add(c == ' ' ? Space : c, from, to);
            if (!piece.IsEmpty) afterSpace = rules.RemoveExtraSpaces && piece[^1] == ' ';
            at += units;
        }
        while (rules.RemoveExtraSpaces && target.Length > begin && target.Chars[^1] == Space)
            target.Truncate(target.Length - 1);
        return true;
    }

    /// <summary>What the beginning of the rest of a text becomes, and how many code units that takes.</summary>
    private ReadOnlySpan<char> Step(ReadOnlySpan<char> text, int at, Span<char> buffer, out int units)
    {
        var rest = text[at..];
        foreach (var symbol in symbols)
        {
            if (!rest.StartsWith(symbol)) continue;
            units = symbol.Length;
            return rest[..units];
        }
        AlignedText.CodePoint(text, at, out units);
        if (rules.Map is not { } map) return rest[..units];
        Span<byte> utf8 = stackalloc byte[64];
        Encoding.UTF8.GetEncoder().Convert(rest, utf8, flush: false, out _, out var count, out _);
        if (!map.TryFind(utf8[..count], longest: true, out var length, out var replacement)) return rest[..units];
        units = Encoding.UTF8.GetCharCount(utf8[..length]);
        return buffer[..Encoding.UTF8.GetChars(replacement[..Math.Min(replacement.Length, buffer.Length)], buffer)];
    }
}
