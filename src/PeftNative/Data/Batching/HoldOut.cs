using PeftNative.Determinism;

namespace PeftNative.Data.Batching;

/// <summary>Splits examples off the training data for validation.</summary>
public static class HoldOut
{
    /// <summary>
    /// Splits 0 to count - 1 into those to train on and <paramref name="held"/> random ones to hold out, both
    /// ascending.
    /// </summary>
    /// <exception cref="UsageException">Nothing would be left on one side.</exception>
    public static (int[] Train, int[] Held) Split(int count, int held, ulong seed)
    {
        if (held < 1 || held >= count)
            throw new UsageException($"{held} of {count} examples cannot be held out for validation.");
        var order = Enumerable.Range(0, count).ToArray();
        new RandomStream(seed, RandomPurpose.ValidationSplit).Shuffle(order);
        return ([.. order.Skip(held).Order()], [.. order.Take(held).Order()]);
    }
}
