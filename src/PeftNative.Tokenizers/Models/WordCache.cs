namespace PeftNative.Tokenizers.Models;

/// <summary>
/// The tokens of words seen before. Words and tokens lie in two arrays, so that a new word costs no object; when they
/// are full the cache starts again from nothing.
/// </summary>
internal sealed class WordCache
{
    private const int MaxWord = 128, MaxEntries = 1 << 16, TextSize = MaxEntries * 16, TokenSize = MaxEntries * 12;
    private (uint Hash, int Text, int Length, int Tokens, int Count)[] table = new (uint, int, int, int, int)[1024];
    private char[] text = new char[4096];
    private int[] tokens = new int[4096];
    private int entries, textUsed, tokensUsed;

    /// <summary>Appends the tokens of a word, from the cache or from the model.</summary>
    public void Tokenize(TokenModel model, ReadOnlySpan<char> word, TokenSpans output)
    {
        if (word.Length > MaxWord)
        {
            model.Tokenize(word, output);
            return;
        }
        var hash = Hash(word);
        var mask = table.Length - 1;
        for (var slot = (int)hash & mask; table[slot].Length > 0; slot = (slot + 1) & mask)
        {
            ref var entry = ref table[slot];
            if (entry.Hash != hash || entry.Length != word.Length
                || !word.SequenceEqual(text.AsSpan(entry.Text, entry.Length))) continue;
            output.Add(tokens.AsSpan(entry.Tokens, entry.Count));
            return;
        }
        var before = output.Values.Length;
        model.Tokenize(word, output);
        Remember(hash, word, output.Values[before..]);
    }

    private void Remember(uint hash, ReadOnlySpan<char> word, ReadOnlySpan<int> result)
    {
        if (word.IsEmpty) return;
        if (entries == MaxEntries || textUsed + word.Length > TextSize || tokensUsed + result.Length > TokenSize)
        {
            Array.Clear(table);
            entries = textUsed = tokensUsed = 0;
        }
        else if (entries * 2 >= table.Length) Rehash();
        Grow(ref text, textUsed + word.Length);
        Grow(ref tokens, tokensUsed + result.Length);
        word.CopyTo(text.AsSpan(textUsed));
        result.CopyTo(tokens.AsSpan(tokensUsed));
        Insert((hash, textUsed, word.Length, tokensUsed, result.Length));
        textUsed += word.Length;
        tokensUsed += result.Length;
        entries++;
    }

    private void Insert((uint Hash, int Text, int Length, int Tokens, int Count) entry)
    {
        var slot = (int)entry.Hash & (table.Length - 1);
        while (table[slot].Length > 0) slot = (slot + 1) & (table.Length - 1);
        table[slot] = entry;
    }

    private void Rehash()
    {
        var old = table;
        table = new (uint, int, int, int, int)[old.Length * 2];
        foreach (var entry in old)
        {
            if (entry.Length > 0) Insert(entry);
        }
    }

    private static void Grow<T>(ref T[] array, int needed)
    {
        if (needed > array.Length) Array.Resize(ref array, Math.Max(array.Length * 2, needed));
    }

    // Four characters a step; words are short and come from text that nobody profits from making collide, since a full
    // cache is dropped.
    private static uint Hash(ReadOnlySpan<char> word)
    {
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(word);
        ulong hash = (ulong)word.Length * 0x9E3779B97F4A7C15;
        for (; bytes.Length >= 8; bytes = bytes[8..]) hash = Mix(hash ^ BitConverter.ToUInt64(bytes));
        for (; bytes.Length >= 2; bytes = bytes[2..]) hash = Mix(hash ^ BitConverter.ToUInt16(bytes));
        return (uint)(hash ^ (hash >> 32));
    }

    private static ulong Mix(ulong value)
    {
        value *= 0xFF51AFD7ED558CCD;
        return value ^ (value >> 32);
    }
}
