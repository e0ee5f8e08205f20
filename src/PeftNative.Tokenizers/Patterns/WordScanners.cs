using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>What the split patterns of byte-level models tell apart.</summary>
internal enum CharKind : byte { Other, Letter, Number, Space }

/// <summary>
/// The parts that the split patterns of byte-level models share. They match at every position, in linear time; written
/// by hand because they run over all text.
/// </summary>
internal abstract class WordScanner : SplitPattern
{
    private static readonly CharKind[] Kinds = BuildKinds();

    /// <inheritdoc/>
    public override bool Next(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        start = from;
        end = from < text.Length ? Scan(text, from) : from;
        return end > from;
    }

    /// <summary>The end of the word that begins at a position.</summary>
    protected abstract int Scan(ReadOnlySpan<char> text, int from);

    /// <summary>The kind of the character at a position.</summary>
    protected static CharKind KindAt(ReadOnlySpan<char> text, int at, out int units)
    {
        var c = text[at];
        units = 1;
        if (!char.IsSurrogate(c)) return Kinds[c];
        var codePoint = AlignedText.CodePoint(text, at, out units);
        return UnicodeTables.IsLetter(codePoint) ? CharKind.Letter : UnicodeTables.IsNumber(codePoint)
            ? CharKind.Number : CharKind.Other;
    }

    /// <summary>The end of a run of characters of one kind.</summary>
    protected static int Run(ReadOnlySpan<char> text, int at, CharKind kind, int limit = int.MaxValue)
    {
        for (; at < text.Length && limit > 0 && KindAt(text, at, out var units) == kind; limit--) at += units;
        return at;
    }

    /// <summary>The end of a run of white space that leaves the last one to the word after it.</summary>
    protected static int SpaceRun(ReadOnlySpan<char> text, int from, int end) =>
        end == text.Length || end - from == 1 ? end : end - 1;

    /// <summary>The end of 's 't 're 've 'm 'll 'd at a position, or the position itself.</summary>
    protected static int Contraction(ReadOnlySpan<char> text, int from, bool ignoreCase)
    {
        if (text[from] != '\'' || from + 1 >= text.Length) return from;
        var first = Fold(text[from + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd') return from + 2;
        if (from + 2 >= text.Length) return from;
        return (first, Fold(text[from + 2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? from + 3 : from;
    }

    private static char Fold(char c, bool ignoreCase) =>
        !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;

    private static CharKind[] BuildKinds()
    {
        var kinds = new CharKind[0x10000];
        for (var c = 0; c < kinds.Length; c++)
        {
            kinds[c] = UnicodeTables.IsLetter(c) ? CharKind.Letter : UnicodeTables.IsNumber(c) ? CharKind.Number
                : UnicodeTables.IsWhiteSpace(c) ? CharKind.Space : CharKind.Other;
        }
        return kinds;
    }
}

/// <summary>GPT-2's pattern.</summary>
internal sealed class Gpt2Scanner : WordScanner
{
    /// <inheritdoc/>
    protected override int Scan(ReadOnlySpan<char> text, int from)
    {
        if (Contraction(text, from, ignoreCase: false) is var contraction && contraction > from) return contraction;
        var at = text[from] == ' ' && from + 1 < text.Length ? from + 1 : from;
        var kind = KindAt(text, at, out _);
        if (kind != CharKind.Space) return Run(text, at, kind);
        return SpaceRun(text, from, Run(text, from, CharKind.Space));
    }
}

/// <summary>
/// The pattern of cl100k and its kin: Llama 3 with numbers of up to 3 digits, Qwen 2 with single ones.
/// </summary>
internal sealed class Cl100kScanner(int maxDigits) : WordScanner
{
    /// <inheritdoc/>
    protected override int Scan(ReadOnlySpan<char> text, int from)
    {
        if (Contraction(text, from, ignoreCase: true) is var contraction && contraction > from) return contraction;
        var kind = KindAt(text, from, out var units);
        if (kind == CharKind.Letter) return Run(text, from, CharKind.Letter);
        if (kind == CharKind.Number) return Run(text, from, CharKind.Number, maxDigits);
        var next = from + units;
        var nextKind = next < text.Length ? KindAt(text, next, out _) : CharKind.Space;
        if (nextKind == CharKind.Letter && text[from] is not ('\r' or '\n')) return Run(text, next, CharKind.Letter);
        if (kind == CharKind.Other) return Newlines(text, Run(text, from, CharKind.Other));
        if (text[from] == ' ' && nextKind == CharKind.Other) return Newlines(text, Run(text, next, CharKind.Other));
        var end = Run(text, from, CharKind.Space);
        var newline = text[from..end].LastIndexOfAny('\r', '\n');
        return newline >= 0 ? from + newline + 1 : SpaceRun(text, from, end);
    }

    private static int Newlines(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] is ('\r' or '\n')) at++;
        return at;
    }
}
