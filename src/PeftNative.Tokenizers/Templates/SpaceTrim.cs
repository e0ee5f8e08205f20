using PeftNative.Tokenizers.Models;

namespace PeftNative.Tokenizers.Templates;

/// <summary>
/// How much white space a token begins and ends with, packed into one number. The offsets of byte-level models leave it
/// out where the post-processor says so.
/// </summary>
internal sealed class SpaceTrim(TokenModel model)
{
    /// <summary>The token is the model's: look it up.</summary>
    public const int OfModel = -1;

    private const char ByteSpace = 'Ġ';
    private readonly int[] known = Build(model);

    /// <summary>Counts the white space at both ends of a text.</summary>
    public static int Measure(ReadOnlySpan<char> text)
    {
        int leading = 0, trailing = 0;
        while (leading < text.Length && IsSpace(text[leading])) leading++;
        while (trailing < text.Length && IsSpace(text[^(trailing + 1)])) trailing++;
        return (Math.Min(leading, 0x7FFF) << 16) | Math.Min(trailing, 0xFFFF);
    }

    /// <summary>Trims the offsets of the token at an index of its text.</summary>
    public void Apply(TokenList tokens, int token, int index, bool addPrefixSpace, ref int start, ref int end)
    {
        var (id, space) = (tokens.Ids[token], tokens.Spaces[token]);
        if (space == OfModel) space = (uint)id < (uint)known.Length ? known[id] : 0;
        if (space == 0) return;
        int leading = space >> 16, trailing = space & 0xFFFF;
        // A single space at the very beginning may be the one that was put in front.
        if (leading == 1 && addPrefixSpace && (index == 0 || start == 0)) leading = 0;
        for (; leading > 0 && start < end; leading--) start += IsPairAt(tokens.Text, start) ? 2 : 1;
        if (end < trailing) return;
        for (; trailing > 0 && end > start; trailing--) end -= IsPairAt(tokens.Text, end - 2) ? 2 : 1;
    }

    private static bool IsPairAt(string text, int at) =>
        at >= 0 && at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]);

    private static bool IsSpace(char c) => c == ByteSpace || char.IsWhiteSpace(c);

    private static int[] Build(TokenModel model)
    {
        var spaces = new int[Math.Min(model.MaxId + 1, 1 << 22)];
        for (var id = 0; id < spaces.Length; id++) spaces[id] = Measure(model.TokenOf(id));
        return spaces;
    }
}
