namespace PeftNative.Lab.Benchmarking;

/// <summary>Whether two measurements differ.</summary>
internal enum Verdict
{
    /// <summary>The rounds do not tell them apart, or the difference is too small to matter.</summary>
    Same,

    /// <summary>The second is faster.</summary>
    Faster,

    /// <summary>The second is slower.</summary>
    Slower,
}

/// <summary>
/// Compares two measurements of the same thing. A difference counts as real when the rank-sum test of Mann and Whitney
/// (1947) rejects, at one in a hundred, that both lists of rounds come from one distribution, and the medians differ by
/// more than 2 %. No assumption is made about the shape of the distributions, so a few slow rounds decide nothing.
/// </summary>
internal static class MeasurementComparison
{
    private const double Significance = 0.01;
    private const double LeastDifference = 0.02;
    private const double SameMachine = 0.1;

    /// <summary>
    /// Whether the machine gave less in one run than in the other (other threads, another clock, somebody else's work):
    /// a peak differs by more than a tenth. The rounds cannot tell that from a change of the program.
    /// </summary>
    public static bool MachineDiffers(MachinePeaks? before, MachinePeaks? after)
    {
        if (before is null || after is null) return false;
        return before.Threads != after.Threads || Differ(before.Fp32, after.Fp32) || Differ(before.Bf16, after.Bf16)
            || Differ(before.Reading, after.Reading);

        static bool Differ(double a, double b) => Math.Abs(a - b) > SameMachine * Math.Max(a, b);
    }

    /// <summary>The verdict about the second against the first.</summary>
    public static Verdict Compare(Measurement before, Measurement after)
    {
        var ratio = after.Median / before.Median;
        if (Math.Abs(ratio - 1) <= LeastDifference
            || RankSumProbability(before.Milliseconds, after.Milliseconds) >= Significance)
            return Verdict.Same;
        return ratio < 1 ? Verdict.Faster : Verdict.Slower;
    }

    /// <summary>
    /// How likely two lists from one distribution differ in rank at least as much as these, both ways; exact up to 20
    /// values in all, by the normal approximation with the correction for ties above.
    /// </summary>
    internal static double RankSumProbability(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        var u = a.Sum(x => b.Sum(y => x < y ? 1.0 : x == y ? 0.5 : 0.0));
        var (n, m) = (a.Count, b.Count);
        var distance = Math.Abs(u - n * m / 2.0);
        if (n + m <= 20) return ExactTail(n, m, distance);
        var ties = a.Concat(b).GroupBy(v => v).Sum(g => Math.Pow(g.Count(), 3) - g.Count());
        var variance = n * m / 12.0 * (n + m + 1 - ties / ((n + m) * (n + m - 1.0)));
        return variance == 0 ? 1 : TwoSidedNormal(Math.Max(0, distance - 0.5) / Math.Sqrt(variance));
    }

    // The share of all ways to shuffle n and m values whose U lies at least this far from the middle.
    private static double ExactTail(int n, int m, double distance)
    {
        // counts[i][u]: ways to choose i of the values so far with sum of ranks (from 0) minus i (i - 1) / 2 equal to
        // u.
        var counts = new double[n + 1, n * m + 1];
        counts[0, 0] = 1;
        for (var value = 0; value < n + m; value++)
            for (var i = Math.Min(n, value + 1); i >= 1; i--)
                for (var u = n * m; u >= value - (i - 1) && value >= i - 1; u--)
                    counts[i, u] += counts[i - 1, u - (value - (i - 1))];
        var (all, tail) = (0.0, 0.0);
        for (var u = 0; u <= n * m; u++)
        {
            all += counts[n, u];
            if (Math.Abs(u - n * m / 2.0) >= distance - 1e-9) tail += counts[n, u];
        }
        return tail / all;
    }

    // erfc(z / √2) by Abramowitz and Stegun 7.1.26, good to 1.5e-7.
    private static double TwoSidedNormal(double z)
    {
        var x = z / Math.Sqrt(2);
        var t = 1 / (1 + 0.3275911 * x);
        return ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
            * Math.Exp(-x * x);
    }
}
