using PeftNative.Ops;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public void Forward(in DropoutOp op)
    {
        var dropped = Drop(Matrix.Load(op.X), op.Mask);
        if (op.Accumulate) dropped.AddTo(op.Y);
        else dropped.Store(op.Y);
    }

    /// <summary>A matrix with dropout; the element index counts row by row.</summary>
    private static Matrix Drop(Matrix x, DropoutMask mask) =>
        x.Map((v, i, j) => v * KeepFactor(mask, (ulong)((long)i * x.Columns + j)));

    /// <summary>1 / (1 - p) for an element that stays, 0 for one that is dropped.</summary>
    private static double KeepFactor(DropoutMask mask, ulong element)
    {
        if (!mask.IsOn) return 1;
        var fraction = PhiloxWord(mask.Key, element, mask.Stream) / 4294967296.0;
        return fraction >= mask.Probability ? 1 / (1 - (double)mask.Probability) : 0;
    }

    private static uint PhiloxWord(ulong key, ulong element, ulong stream)
    {
        var block = PhiloxBlock(key, element / 4, stream);
        return (element % 4) switch { 0 => block.Item1, 1 => block.Item2, 2 => block.Item3, _ => block.Item4 };
    }

    /// <summary>
    /// Philox4x32-10 at the counter (counter, stream), low words first; Salmon et al. 2011, "Parallel random numbers:
    /// as easy as 1, 2, 3", section 3.
    /// </summary>
    internal static (uint, uint, uint, uint) PhiloxBlock(ulong key, ulong counter, ulong stream)
    {
        var (k0, k1) = ((uint)key, (uint)(key >> 32));
        var (c0, c1) = ((uint)counter, (uint)(counter >> 32));
        var (c2, c3) = ((uint)stream, (uint)(stream >> 32));
        for (var round = 0; round < 10; round++)
        {
            var p0 = 0xD2511F53UL * c0;
            var p1 = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 = unchecked(k0 + 0x9E3779B9);
            k1 = unchecked(k1 + 0xBB67AE85);
        }
        return (c0, c1, c2, c3);
    }
}
