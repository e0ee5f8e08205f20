using System.Numerics;

namespace PeftNative.Jinja.Values;

/// <summary>The three parts of <c>[start:stop:step]</c>, null where left out.</summary>
internal readonly record struct SliceBounds(BigInteger? Start, BigInteger? Stop, BigInteger? Step)
{
    /// <summary>The first index, the distance to the next, and how many there are, in a sequence of a length.</summary>
    public (int Start, int Step, int Count) Resolve(int length)
    {
        var step = Step ?? BigInteger.One;
        if (step.IsZero) throw new JinjaException("slice step cannot be zero");
        var forward = step.Sign > 0;
        var (lowest, highest) = forward ? (0, length) : (-1, length - 1);
        var start = Clamp(Start, length, lowest, highest, forward ? lowest : highest);
        var stop = Clamp(Stop, length, lowest, highest, forward ? highest : lowest);
        var span = forward ? stop - start : start - stop;
        if (span <= 0) return (0, 1, 0);
        var size = BigInteger.Abs(step);
        // A step as long as the sequence takes one item, whatever its size.
        if (size >= length) return (start, 1, 1);
        var stride = (int)size;
        return (start, forward ? stride : -stride, (span + stride - 1) / stride);
    }

    private static int Clamp(BigInteger? bound, int length, int lowest, int highest, int missing)
    {
        if (bound is not { } value) return missing;
        if (value < 0) value += length;
        return (int)BigInteger.Max(lowest, BigInteger.Min(highest, value));
    }
}
