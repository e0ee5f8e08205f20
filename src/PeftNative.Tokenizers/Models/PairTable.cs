using System.Numerics;

namespace PeftNative.Tokenizers.Models;

/// <summary>
/// A hash table from two ids to two numbers, without a lookup object or boxing: it is read for every pair of symbols.
/// </summary>
internal sealed class PairTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] keys;
    private readonly (int First, int Second)[] values;
    private readonly int shift;

    /// <summary>Makes a table for a number of pairs.</summary>
    public PairTable(int capacity)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, checked(capacity * 2)));
        keys = new ulong[size];
        values = new (int, int)[size];
        shift = 64 - BitOperations.Log2((uint)size);
        Array.Fill(keys, Empty);
    }

    /// <summary>Sets the value of a pair.</summary>
    public void Set(int a, int b, int first, int second)
    {
        var slot = Slot(Key(a, b));
        keys[slot] = Key(a, b);
        values[slot] = (first, second);
    }

    /// <summary>Finds the value of a pair.</summary>
    public bool TryGet(int a, int b, out (int First, int Second) value)
    {
        var slot = Slot(Key(a, b));
        value = values[slot];
        return keys[slot] != Empty;
    }

    private static ulong Key(int a, int b) => ((ulong)(uint)a << 32) | (uint)b;

    private int Slot(ulong key)
    {
        var slot = (int)((key * 0x9E3779B97F4A7C15) >> shift);
        while (keys[slot] != key && keys[slot] != Empty) slot = (slot + 1) & (keys.Length - 1);
        return slot;
    }
}
