using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

/// <summary>
/// A dropout mask as kernels see it. Probability is compared as a whole number: a word w stays when w / 2³² ≥ p, that
/// is when w ≥ ⌈2³² p⌉.
/// </summary>
internal struct Mask
{
    public ulong Key, Stream;
    public uint Threshold;
    public float Factor; // of what stays; 0 where nothing is dropped
}

internal struct DropoutArguments
{
    public Matrix X, Y;
    public Mask Mask;
    public int Accumulate;
}

internal static class DropoutKernels
{
    private const int Rounds = 10;

    public static void Forward(Index1D index, DropoutArguments a)
    {
        var (row, column) = (index / a.X.Columns, index % a.X.Columns);
        var value = a.X[row, column] * Keep(a.Mask, (ulong)(long)(int)index);
        if (a.Accumulate != 0) a.Y.Add(row, column, value);
        else a.Y.Set(row, column, value);
    }

    /// <summary>1 / (1 - p) for an element that stays, 0 for one that is dropped, 1 without dropout.</summary>
    public static float Keep(Mask mask, ulong element)
    {
        if (mask.Factor == 0) return 1;
        return PhiloxWord(mask.Key, element, mask.Stream) >= mask.Threshold ? mask.Factor : 0;
    }

    /// <summary>One word of Philox4x32-10 (Salmon et al. 2011), as <see cref="Ops.DropoutMask"/> says.</summary>
    private static uint PhiloxWord(ulong key, ulong element, ulong stream)
    {
        uint x = (uint)(element / 4), y = (uint)(element / 4 >> 32), z = (uint)stream, w = (uint)(stream >> 32);
        uint key0 = (uint)key, key1 = (uint)(key >> 32);
        for (var round = 0; round < Rounds; round++)
        {
            var product0 = 0xD2511F53UL * x;
            var product1 = 0xCD9E8D57UL * z;
            var (oldY, oldW) = (y, w);
            x = (uint)(product1 >> 32) ^ oldY ^ key0;
            y = (uint)product1;
            z = (uint)(product0 >> 32) ^ oldW ^ key1;
            w = (uint)product0;
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }
        var word = (int)(element % 4);
        return word == 0 ? x : word == 1 ? y : word == 2 ? z : w;
    }
}
