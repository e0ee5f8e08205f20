using System.Diagnostics;

namespace PeftNative.Lab.Benchmarking;

/// <summary>What was measured of one thing: the time of each round, and the work done in it.</summary>
/// <param name="Name">What ran, such as <c>linear forward m=1024 k=2048 n=2048 fp32</c>.</param>
/// <param name="Milliseconds">Time of a call in each round, in the order of the rounds.</param>
internal sealed record Measurement(string Name, IReadOnlyList<double> Milliseconds)
{
    /// <summary>Floating-point operations of a call; 0 where memory sets the limit.</summary>
    public double Operations { get; init; }

    /// <summary>Bytes a call must read and write; 0 where arithmetic sets the limit.</summary>
    public double Bytes { get; init; }

    /// <summary>Tokens of a call; 0 where there are none.</summary>
    public double Tokens { get; init; }

    /// <summary>The peak the rate is related to, GFLOP/s or GB/s; 0 for none.</summary>
    public double Peak { get; init; }

    /// <summary>The middle time.</summary>
    public double Median => Quantile(0.5);

    /// <summary>A quarter of the rounds were faster.</summary>
    public double LowerQuartile => Quantile(0.25);

    /// <summary>A quarter of the rounds were slower.</summary>
    public double UpperQuartile => Quantile(0.75);

    /// <summary>GFLOP/s or GB/s at the median; 0 where neither is known.</summary>
    public double Rate => Math.Max(Operations, Bytes) / Median / 1e6;

    /// <summary>The unit of <see cref="Rate"/>.</summary>
    public string RateUnit => Operations > 0 ? "GFLOP/s" : Bytes > 0 ? "GB/s" : "";

    /// <summary>Rate by peak, or NaN where there is no peak.</summary>
    public double Share => Peak > 0 ? Rate / Peak : double.NaN;

    /// <summary>Tokens per second at the median.</summary>
    public double TokensPerSecond => Tokens * 1000 / Median;

    /// <summary>
    /// Times things that are to be compared in turns, one call of each per round, so that whatever the machine does
    /// meanwhile hits them alike.
    /// </summary>
    /// <returns>For each, the milliseconds of every round after the warm-up.</returns>
    public static IReadOnlyList<double[]> Interleave(
        IReadOnlyList<Action> contestants, int warmup, int rounds, CancellationToken cancellation = default)
    {
        double[][] times = [.. contestants.Select(_ => new double[rounds])];
        for (var round = -warmup; round < rounds; round++)
            for (var c = 0; c < contestants.Count; c++)
            {
                cancellation.ThrowIfCancellationRequested();
                var clock = Stopwatch.StartNew();
                contestants[c]();
                if (round >= 0) times[c][round] = clock.Elapsed.TotalMilliseconds;
            }
        return times;
    }

    private double Quantile(double q)
    {
        double[] sorted = [.. Milliseconds.Order()];
        var place = q * (sorted.Length - 1);
        var below = (int)place;
        return below + 1 < sorted.Length ? sorted[below] + (place - below) * (sorted[below + 1] - sorted[below])
            : sorted[below];
    }
}
