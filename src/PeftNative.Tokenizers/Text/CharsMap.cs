using System.Buffers.Binary;

namespace PeftNative.Tokenizers.Text;

/// <summary>
/// SentencePiece's compiled character map: a double-array trie over UTF-8 (Darts) whose values point into a block of
/// replacements, each ended by a zero byte.
/// </summary>
internal sealed class CharsMap
{
    private readonly uint[] trie;
    private readonly byte[] replacements;

    /// <summary>Reads the map: the size of the trie in bytes, the trie, the replacements.</summary>
    public CharsMap(ReadOnlySpan<byte> map, string where)
    {
        var size = map.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(map) / 4;
        if (size == 0 || size > (map.Length - 4) / 4)
            throw new ModelFormatException("The precompiled character map is cut off.", where);
        trie = new uint[size];
        for (var i = 0; i < trie.Length; i++) trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + (4 * i))..]);
        replacements = map[(4 + (trie.Length * 4))..].ToArray();
    }

    /// <summary>Finds a key that begins a text.</summary>
    /// <param name="text">The text in UTF-8.</param>
    /// <param name="longest">Whether the longest such key is wanted, or the shortest.</param>
    /// <param name="length">The length of the key.</param>
    /// <param name="replacement">What it is replaced by.</param>
    public bool TryFind(ReadOnlySpan<byte> text, bool longest, out int length, out ReadOnlySpan<byte> replacement)
    {
        length = 0;
        replacement = default;
        var node = Offset(trie[0]);
        for (var i = 0; i < text.Length && text[i] != 0; i++)
        {
            node ^= text[i];
            if (node >= trie.Length) break;
            var unit = trie[node];
            if ((unit & 0x800000FF) != text[i]) break;
            node ^= Offset(unit);
            if (node >= trie.Length) break;
            if ((unit & 0x100) == 0) continue;
            var at = (int)(trie[node] & 0x7FFFFFFF);
            if (at > replacements.Length) break;
            length = i + 1;
            replacement = replacements.AsSpan(at);
            if (!longest) break;
        }
        var end = replacement.IndexOf((byte)0);
        if (end >= 0) replacement = replacement[..end];
        return length > 0;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
}
