using System.Runtime.CompilerServices;

namespace PeftNative.Determinism;

/// <summary>
/// Philox4x32 with ten rounds: a bijection of 128-bit counters chosen by a 64-bit key, whose outputs for 0, 1, 2… are
/// random numbers. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Pure
/// functions, no state.
/// </summary>
public static class Philox
{
    private const int Rounds = 10;
    private const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57;
    private const uint KeyStep0 = 0x9E3779B9, KeyStep1 = 0xBB67AE85;

    /// <summary>The four random words of one counter.</summary>
    /// <param name="counter">The counter, <see cref="PhiloxBlock.X"/> being its lowest word.</param>
    /// <param name="key">The key; its low half is the first key word.</param>
    public static PhiloxBlock Block(PhiloxBlock counter, ulong key)
    {
        var (x, y, z, w) = counter;
        var (key0, key1) = ((uint)key, (uint)(key >> 32));
        for (var round = 0; round < Rounds; round++)
        {
            var product0 = (ulong)Multiplier0 * x;
            var product1 = (ulong)Multiplier1 * z;
            (x, y, z, w) =
                ((uint)(product1 >> 32) ^ y ^ key0, (uint)product1, (uint)(product0 >> 32) ^ w ^ key1, (uint)product0);
            key0 += KeyStep0;
            key1 += KeyStep1;
        }
        return new PhiloxBlock(x, y, z, w);
    }
}

/// <summary>Four 32-bit words: a counter of <see cref="Philox"/> or what it gives for one.</summary>
public readonly record struct PhiloxBlock(uint X, uint Y, uint Z, uint W)
{
    /// <summary>Word 0 to 3; only the two lowest bits of the index count.</summary>
    public uint this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (index & 3) switch { 0 => X, 1 => Y, 2 => Z, _ => W };
    }
}
