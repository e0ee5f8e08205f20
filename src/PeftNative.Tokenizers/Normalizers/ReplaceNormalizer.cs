using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>
/// Replaces every match of a pattern; what is put in shares the range of the last character of the match.
/// </summary>
internal sealed class ReplaceNormalizer(SplitPattern pattern, string content) : Normalizer
{
    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var text = source.Chars.Slice(start, length);
        var writer = new TextRewriter(source, start, length, target);
        var changed = false;
        foreach (var (from, to) in new MatchEnumerator(pattern, text))
        {
            writer.CopyTo(start + from);
            writer.SkipTo(start + to);
            foreach (var rune in content.EnumerateRunes()) writer.Insert(rune.Value);
            changed = true;
        }
        if (changed) writer.CopyTo(start + length);
        return changed;
    }
}
