using PeftNative.Determinism;
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
        var counter = new PhiloxBlock((uint)(element / 4), (uint)(element / 4 >> 32), (uint)stream,
            (uint)(stream >> 32));
        return Philox.Block(counter, key)[(int)(element % 4)];
    }
}
