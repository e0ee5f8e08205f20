using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>
/// Reads a regular expression in the syntax of tokenizer.json (Oniguruma's Ruby syntax). Ours because
/// System.Text.RegularExpressions matches UTF-16 code units (a letter outside the BMP is no \p{L} to it), lacks
/// possessive quantifiers and scripts, and its linear engine refuses look-around.
/// </summary>
internal sealed class PatternParser
{
    private const int MaxDepth = 64, MaxCount = 1000;
    private readonly string pattern;
    private int position, depth;
    private bool ignoreCase, dotAll, extended;

    private PatternParser(string pattern) => this.pattern = pattern;

    /// <summary>Parses a pattern.</summary>
    /// <exception cref="ModelFormatException">
    /// The pattern is malformed or uses something this reader does not know.
    /// </exception>
    public static PatternNode Parse(string pattern)
    {
        var parser = new PatternParser(pattern);
        var node = parser.ParseChoice();
        return parser.position == pattern.Length ? node : throw parser.Error("unbalanced )");
    }

    private bool AtEnd => position >= pattern.Length;

    private ModelFormatException Error(string what) => PatternError(pattern, $"{what} at character {position}");

    private static ModelFormatException PatternError(string pattern, string what) =>
        new($"Cannot read the regular expression: {what}.", pattern.Length > 200 ? pattern[..200] + "…" : pattern);

    private bool Take(string text)
    {
        if (string.CompareOrdinal(pattern, position, text, 0, text.Length) != 0) return false;
        position += text.Length;
        return true;
    }

    private PatternNode ParseChoice()
    {
        if (++depth > MaxDepth) throw Error("too many nested groups");
        var (savedCase, savedDot, savedExtended) = (ignoreCase, dotAll, extended);
        List<PatternNode> parts = [ParseConcat()];
        while (Take("|")) parts.Add(ParseConcat());
        (ignoreCase, dotAll, extended) = (savedCase, savedDot, savedExtended);
        depth--;
        return parts.Count == 1 ? parts[0] : new PatternNode.Choice(parts);
    }

    private PatternNode ParseConcat()
    {
        var parts = new List<PatternNode>();
        while (!AtEnd && pattern[position] is not ('|' or ')'))
        {
            if (extended && SkipComment()) continue;
            if (ParseAtom() is { } atom) parts.Add(ParseRepeats(atom));
        }
        return parts.Count == 1 ? parts[0] : new PatternNode.Concat(parts);
    }

    private bool SkipComment()
    {
        if (char.IsWhiteSpace(pattern[position])) position++;
        else if (pattern[position] == '#')
            position = pattern.IndexOf('\n', position) is var end and >= 0 ? end : pattern.Length;
        else return false;
        return true;
    }

    private PatternNode ParseRepeats(PatternNode atom)
    {
        while (!AtEnd)
        {
            int min, max;
            var braces = false;
            if (Take("*")) (min, max) = (0, -1);
            else if (Take("+")) (min, max) = (1, -1);
            else if (Take("?")) (min, max) = (0, 1);
            else if (pattern[position] == '{' && TryParseCounts(out min, out max)) braces = true;
            else break;
            var mode = RepeatMode.Greedy;
            if (!(braces && min == max) && Take("?")) mode = RepeatMode.Lazy;
            else if (!braces && Take("+")) mode = RepeatMode.Possessive;
            atom = new PatternNode.Repeat(atom, min, max, mode);
            if (++depth > MaxDepth) throw Error("too many nested repetitions");
        }
        return atom;
    }

    private bool TryParseCounts(out int min, out int max)
    {
        (min, max) = (0, 0);
        var close = pattern.IndexOf('}', position);
        if (close < 0) return false;
        var inner = pattern[(position + 1)..close];
        var comma = inner.IndexOf(',');
        var (low, high) = comma < 0 ? (inner, inner) : (inner[..comma], inner[(comma + 1)..]);
        if (low == "" && high == "") return false;
        if ((low != "" && !int.TryParse(low, out min)) || (high != "" && !int.TryParse(high, out max))) return false;
        if (high == "") max = -1;
        if (min < 0 || min > MaxCount || max > MaxCount || (max >= 0 && max < min))
            throw Error("a repetition out of range");
        position = close + 1;
        return true;
    }

    private PatternNode? ParseAtom()
    {
        var c = AlignedText.CodePoint(pattern, position, out var units);
        position += units;
        switch (c)
        {
            case '(': return ParseGroup();
            case '[': return One(new PatternClassParser(pattern, ref position).Set);
            case '.': return new PatternNode.One(dotAll ? CharSet.Of(_ => true)
                : CharSet.Of(x => x == '\n', negate: true));
            case '^': return new PatternNode.Anchor(AnchorKind.LineStart);
            case '$': return new PatternNode.Anchor(AnchorKind.LineEnd);
            case '\\': return ParseEscape();
            case '*' or '+' or '?': throw Error("a repetition of nothing");
            default: return One(CharSet.Of(c));
        }
    }

    private PatternNode.One One(CharSet set) => new(ignoreCase ? set.IgnoreCase() : set);

    private PatternNode ParseEscape()
    {
        if (AtEnd) throw Error("a lone \\");
        AnchorKind? anchor = pattern[position] switch
        {
            'A' => AnchorKind.TextStart,
            'z' => AnchorKind.TextEnd,
            'Z' => AnchorKind.TextEndOrLastNewline,
            'b' => AnchorKind.WordBoundary,
            'B' => AnchorKind.NotWordBoundary,
            _ => null,
        };
        if (anchor is { } kind)
        {
            position++;
            return new PatternNode.Anchor(kind);
        }
        if (pattern[position] is >= '1' and <= '9' or 'k' or 'g' or 'G' or 'K' or 'X' or 'R' or 'y' or 'Y'
            or 'N' or 'O')
        {
            throw Error($"\\{pattern[position]}, which is not supported,");
        }
        return One(PatternClassParser.ParseEscape(pattern, ref position));
    }

    private PatternNode? ParseGroup()
    {
        if (!Take("?")) return CloseGroup();
        if (Take("#"))
        {
            position = pattern.IndexOf(')', position) is var end and >= 0 ? end + 1 : throw Error("an open comment");
            return null;
        }
        if (Take(":")) return CloseGroup();
        if (Take("=")) return new PatternNode.Look(CloseGroup(), false, false);
        if (Take("!")) return new PatternNode.Look(CloseGroup(), false, true);
        if (Take("<=")) return new PatternNode.Look(CloseGroup(), true, false);
        if (Take("<!")) return new PatternNode.Look(CloseGroup(), true, true);
        if (Take(">")) return new PatternNode.Atomic(CloseGroup());
        if (Take("<") || Take("P<") || Take("'"))
        {
            position = pattern.AsSpan(position).IndexOfAny('>', '\'') is var end and >= 0 ? position + end + 1
                : throw Error("a group name");
            return CloseGroup();
        }
        return ParseOptions();
    }

    private PatternNode ParseOptions()
    {
        var (savedCase, savedDot, savedExtended) = (ignoreCase, dotAll, extended);
        for (var on = true; ; position++)
        {
            if (AtEnd) throw Error("an open group");
            var c = pattern[position];
            if (c == '-') on = false;
            else if (c == 'i') ignoreCase = on;
            else if (c == 'm') dotAll = on;
            else if (c == 'x') extended = on;
            else if (c is ':' or ')') break;
            else throw Error($"an unknown group (?{c}");
        }
        if (Take(")")) return ParseChoiceOfRest();
        position++;
        var body = CloseGroup();
        (ignoreCase, dotAll, extended) = (savedCase, savedDot, savedExtended);
        return body;
    }

    /// <summary>An option without a body, (?i), holds to the end of the group, alternatives included.</summary>
    private PatternNode ParseChoiceOfRest() => ParseChoice();

    private PatternNode CloseGroup()
    {
        var body = ParseChoice();
        return Take(")") ? body : throw Error("an open group");
    }
}
