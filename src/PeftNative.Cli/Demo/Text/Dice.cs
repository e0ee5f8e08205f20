using PeftNative.Determinism;

namespace PeftNative.Cli.Demo.Text;

/// <summary>
/// Random choices, one after the other, that depend on a seed and the number of the text alone. Not thread-safe.
/// </summary>
internal sealed class Dice(ulong seed, ulong text)
{
    private readonly RandomStream random = new(seed, RandomPurpose.SyntheticData, text);
    private ulong drawn;

    /// <summary>A whole number from 0 to count - 1.</summary>
    public int Below(int count) => random.Below(count, drawn++);

    /// <summary>True in a share of all cases.</summary>
    public bool Chance(double share) => Below(1000) < share * 1000;

    /// <summary>One of them.</summary>
    public T Pick<T>(ReadOnlySpan<T> items) => items[Below(items.Length)];

    /// <summary>One of them.</summary>
    public T Pick<T>(IReadOnlyList<T> items) => items[Below(items.Count)];

    /// <summary>Several different ones.</summary>
    public T[] Pick<T>(IReadOnlyList<T> items, int count)
    {
        var chosen = new List<int>(count);
        while (chosen.Count < count)
        {
            var next = Below(items.Count);
            if (!chosen.Contains(next)) chosen.Add(next);
        }
        return [.. chosen.Select(i => items[i])];
    }
}
