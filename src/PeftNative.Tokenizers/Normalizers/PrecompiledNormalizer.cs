using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>
/// SentencePiece's compiled character map: a double-array trie over UTF-8 (Darts) whose values point into a block of replacements. It is
/// applied as the tokenizers library does: a grapheme cluster under 6 bytes is replaced by what its beginning maps to, a longer one
/// character by character. Ours because Microsoft.ML.Tokenizers applies it only inside its SentencePiece models.
/// </summary>
internal sealed class PrecompiledNormalizer : Normalizer
{
    private readonly uint[] trie;
    private readonly byte[] replacements;

    [ThreadStatic] private static List<(int CodePoint, int Change)>? scratch;

    /// <summary>Reads the map: the size of the trie in bytes, the trie, the replacements, each ended by a zero byte.</summary>
    public PrecompiledNormalizer(ReadOnlySpan<byte> map, string where)
    {
        if (map.Length < 4) throw new ModelFormatException("The precompiled character map is cut off.", where);
        var size = BinaryPrimitives.ReadUInt32LittleEndian(map) / 4;
        if (size == 0 || size > (map.Length - 4) / 4) throw new ModelFormatException("The precompiled character map is cut off.", where);
        trie = new uint[size];
        for (var i = 0; i < trie.Length; i++) trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + (4 * i))..]);
        replacements = map[(4 + (trie.Length * 4))..].ToArray();
    }

    /// <summary>Reads the map from its form in tokenizer.json.</summary>
    public static PrecompiledNormalizer FromBase64(string text, string where)
    {
        try
        {
            return new(Convert.FromBase64String(text), where);
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
        if (Encoding.UTF8.GetByteCount(cluster) < 6 && TryReplace(cluster, changes)) return true;
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
        Span<byte> utf8 = stackalloc byte[16];
        utf8 = utf8[..Encoding.UTF8.GetBytes(part, utf8)];
        if (FindShortestPrefix(utf8) is not { } at || at > replacements.Length) return false;
        var end = replacements.AsSpan(at).IndexOf((byte)0);
        var text = Encoding.UTF8.GetString(replacements.AsSpan(at, end < 0 ? replacements.Length - at : end));
        var before = changes.Count;
        foreach (var rune in text.EnumerateRunes()) changes.Add((rune.Value, 0));
        var difference = changes.Count - before - Count(part);
        for (var i = 1; i <= difference; i++) changes[^i] = (changes[^i].CodePoint, 1);
        if (difference < 0 && changes.Count > 0) changes[^1] = (changes[^1].CodePoint, changes[^1].Change + difference);
        return true;
    }

    /// <summary>Walks the trie; the value of the shortest key that begins the text, or null.</summary>
    private int? FindShortestPrefix(ReadOnlySpan<byte> key)
    {
        var node = Offset(trie[0]);
        foreach (var b in key)
        {
            if (b == 0) break;
            node ^= b;
            if (node >= trie.Length) return null;
            var unit = trie[node];
            if ((unit & 0x800000FF) != b) return null;
            node ^= Offset(unit);
            if (node >= trie.Length) return null;
            if ((unit & 0x100) != 0) return (int)(trie[node] & 0x7FFFFFFF);
        }
        return null;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private static int Count(ReadOnlySpan<char> text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes()) count++;
        return count;
    }
}
