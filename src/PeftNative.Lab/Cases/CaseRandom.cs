using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>
/// A stream of random numbers that is a function of a key and a counter (the finaliser of SplitMix64, Steele et al.
/// 2014).
/// </summary>
internal sealed class CaseRandom(ulong key, ulong counter)
{
    private ulong state = Mix(key ^ Mix(counter));

    /// <summary>A key made of another key and a name (FNV-1a over its characters).</summary>
    public static ulong Hash(ulong key, string name)
    {
        var hash = 0xcbf29ce484222325UL;
        foreach (var c in name) hash = unchecked((hash ^ c) * 0x100000001b3UL);
        return Mix(key ^ hash);
    }

    /// <summary>Uniform in [0, 1), a multiple of 2^-53.</summary>
    public double Uniform()
    {
        state = unchecked(state + 0x9E3779B97F4A7C15UL);
        return Math.ScaleB(Mix(state) >> 11, -53);
    }

    public int Integer(int limit) => (int)(Uniform() * limit);

    public bool Chance(double probability) => Uniform() < probability;

    public T Pick<T>(params ReadOnlySpan<T> choices) => choices[Integer(choices.Length)];

    /// <summary>One value of a family; the row number decides the power of two of mixed scales.</summary>
    public double Draw(Family family, DType type, int row, Spread spread) => family switch
    {
        Family.Uniform => 2 * Uniform() - 0.75,
        Family.Integers => Integer(9) - 4,
        Family.Mixed => Normal() * RowScale(type, row, spread),
        _ => Adversarial(type, spread),
    };

    private static double RowScale(DType type, int row, Spread spread)
    {
        var largest = type == DType.Float16 ? Math.Min(2, spread.Rows) : spread.Rows;
        return Math.ScaleB(1, row * 7 % (2 * largest + 1) - largest);
    }

    private double Adversarial(DType type, Spread spread)
    {
        // The bf16 products of processors take denormals for zero, also those that a scale before them makes.
        var denormal = Math.ScaleB(1, type switch { DType.Float16 => -20, DType.BFloat16 => -110, _ => -130 });
        var large = Math.ScaleB(1, type == DType.Float16 ? Math.Min(3, spread.Elements) : spread.Elements);
        var sign = Chance(0.5) ? -1 : 1;
        return sign * Integer(12) switch { 0 => denormal, 1 => 0.0, 2 => large, _ => Normal() };
    }

    /// <summary>Box and Muller 1958.</summary>
    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - Uniform())) * Math.Cos(2 * Math.PI * Uniform());

    private static ulong Mix(ulong x)
    {
        unchecked
        {
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
            x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
            return x ^ (x >> 31);
        }
    }
}
