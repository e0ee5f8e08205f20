namespace PeftNative.Tests.Fuzzing;

/// <summary>Values that files lie with.</summary>
internal static class Mutation
{
    private static readonly long[] Edges =
    [
        0, 1, 2, 3, 7, 8, 31, 32, 33, 255, 256, 65_535, 65_536, 1 << 20, 1 << 24, (1 << 24) + 1, int.MaxValue - 1,
        int.MaxValue, 1L << 31, uint.MaxValue, 1L << 32, 1L << 33, 1L << 40, 1L << 61, 1L << 62, long.MaxValue - 31,
        long.MaxValue, long.MinValue, -1, -2, -32, -256,
    ];

    internal static T Pick<T>(this Random random, IReadOnlyList<T> choices) => choices[random.Next(choices.Count)];

    /// <summary>Another number in place of one.</summary>
    internal static long Number(this Random random, long old) => random.Next(8) switch
    {
        0 => old + 1,
        1 => old - 1,
        2 => unchecked(old * 2),
        3 => old / 2,
        4 => old ^ 1L << random.Next(64),
        5 => random.Next(-3, 70),
        _ => random.Pick(Edges),
    };

    /// <summary>A few bytes of many changed, added or taken away.</summary>
    internal static byte[] Bytes(this Random random, byte[] original, int changes)
    {
        var bytes = new List<byte>(original);
        for (; changes > 0 && bytes.Count > 0; changes--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at)); break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 33), bytes.Count - at)));
                    break;
                case 4 when random.Next(6) == 0: bytes.RemoveRange(at, bytes.Count - at); break;
                case 5: bytes.InsertRange(at, new byte[random.Next(1, 9)]); break;
                default: Overwrite(random, bytes, at); break;
            }
        }
        return [.. bytes];
    }

    private static void Overwrite(Random random, List<byte> bytes, int at)
    {
        var value = BitConverter.GetBytes(random.Pick(Edges)).AsSpan(0, random.Pick([1, 2, 4, 8]));
        for (var i = 0; i < value.Length && at + i < bytes.Count; i++) bytes[at + i] = value[i];
    }
}
