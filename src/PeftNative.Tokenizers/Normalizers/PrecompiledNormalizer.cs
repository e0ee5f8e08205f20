using System.Globalization;
using System.Text;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>
/// SentencePiece's character map as the tokenizers library applies it: a grapheme cluster under 6 bytes is replaced by
/// what its beginning maps to, a longer one character by character. Ours because Microsoft.ML.Tokenizers applies it
/// only inside its SentencePiece models.
/// </summary>
internal sealed class PrecompiledNormalizer(CharsMap map) : Normalizer
{
    private const int LongCluster = 6;

    [ThreadStatic] private static List<(int CodePoint, int Change)>? scratch;

    /// <summary>Reads the map from its form in tokenizer.json.</summary>
    public static PrecompiledNormalizer FromBase64(string text, string where)
    {
        try
        {
            return new(new CharsMap(Convert.FromBase64String(text), where));
        }
        catch (FormatException e)
        {
            throw new ModelFormatException("The precompiled character map is not valid base64.", where, inner: e);
        }
    }

    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var text = source.Chars.Slice(start, length);
        var changes = scratch ??= [];
        changes.Clear();
        var modified = false;
        for (var i = 0; i < text.Length;)
        {
            var units = StringInfo.GetNextTextElementLength(text[i..]);
            modified |= AddCluster(text.Slice(i, units), changes);
            i += units;
        }
        if (!modified) return false;
        var writer = new TextRewriter(source, start, length, target);
        foreach (var (c, change) in changes) writer.Write(c, change);
        return true;
    }

    private bool AddCluster(ReadOnlySpan<char> cluster, List<(int CodePoint, int Change)> changes)
    {
        if (cluster.Length < LongCluster && Encoding.UTF8.GetByteCount(cluster) < LongCluster
            && TryReplace(cluster, changes)) return true;
        var modified = false;
        for (var i = 0; i < cluster.Length;)
        {
            var c = AlignedText.CodePoint(cluster, i, out var units);
            if (TryReplace(cluster.Slice(i, units), changes)) modified = true;
            else changes.Add((c, 0));
            i += units;
        }
        return modified;
    }

    private bool TryReplace(ReadOnlySpan<char> part, List<(int CodePoint, int Change)> changes)
    {
        Span<byte> utf8 = stackalloc byte[LongCluster];
        utf8 = utf8[..Encoding.UTF8.GetBytes(part, utf8)];
        if (!map.TryFind(utf8, longest: false, out _, out var replacement)) return false;
        var before = changes.Count;
        while (!replacement.IsEmpty)
        {
            Rune.DecodeFromUtf8(replacement, out var rune, out var bytes);
            changes.Add((rune.Value, 0));
            replacement = replacement[bytes..];
        }
        var difference = changes.Count - before - Count(part);
        for (var i = 1; i <= difference; i++) changes[^i] = (changes[^i].CodePoint, 1);
        if (difference < 0 && changes.Count > 0) changes[^1] = (changes[^1].CodePoint, changes[^1].Change + difference);
        return true;
    }

    private static int Count(ReadOnlySpan<char> text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes()) count++;
        return count;
    }
}
