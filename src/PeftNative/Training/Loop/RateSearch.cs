using System.Globalization;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Training.Loop;

/// <summary>A short run with one rate.</summary>
/// <param name="Rate">The highest rate of its schedule.</param>
/// <param name="Steps">Its optimizer steps.</param>
/// <param name="Loss">Mean loss of its later half, each batch before it is trained; infinite where it broke.</param>
public sealed record RateProbe(double Rate, int Steps, double Loss);

/// <summary>What a search for a rate came to.</summary>
/// <param name="Rate">The rate to train with.</param>
/// <param name="Probes">What was tried, in order.</param>
/// <param name="Reason">Why it is this one, in a sentence.</param>
public sealed record RateSearchResult(double Rate, IReadOnlyList<RateProbe> Probes, string Reason)
{
    /// <summary>Optimizer steps of all probes together.</summary>
    public int Steps => Probes.Sum(p => p.Steps);
}

/// <summary>
/// Looks for a learning rate by short runs on the same frozen base: the usual one and its neighbours, a factor of three
/// apart, are tried for some steps each, further ones where the best is at an edge; the usual and the best other one
/// again for more. A probe has the schedule of the whole run in small, and starts from the run's own first values and
/// batches, so that probes differ by their rates alone. It is judged by the loss of batches that it has not trained
/// yet, which costs nothing more. All probes together take less than a quarter of the run's steps. Used by one thread
/// at a time, like its backend.
/// </summary>
public sealed class RateSearch(TransformerModel model, EncodedData train, TrainerOptions options)
{
    private const double Spacing = 3.1622776601683795; // two a decade
    private const double Share = 0.24, FirstShare = 0.5, Errors = 2;
    private const int Around = 1, LeastSteps = 8, Finalists = 2;

    // Every rate, however far from the usual one, that a decade of others has not settled.
    private const double Least = 1e-6, Most = 1;

    private readonly Dictionary<(double Rate, int Steps), double[]> losses = [];

    /// <summary>Tries rates around the usual one, which <see cref="TrainerOptions.LearningRate"/> is.</summary>
    /// <param name="start">Makes the adapter as the run begins with it; each probe has one of its own.</param>
    /// <param name="progress">Told of every probe.</param>
    /// <param name="cancellation">Ends the search between two steps.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public RateSearchResult Run(Func<Adapter> start, Action<RateProbe>? progress = null,
        CancellationToken cancellation = default)
    {
        var (usual, whole) = (options.LearningRate, StepsOfRun(start));
        var budget = (int)(Share * whole);
        var first = (int)(FirstShare * budget) / (2 * Around + 1);
        if (first < LeastSteps)
            return new(usual, [], $"a quarter of {whole} steps is too little to try rates; it is the usual one");
        var probes = new List<RateProbe>();
        RateProbe Try(double rate, int steps)
        {
            probes.Add(new RateProbe(rate, steps, Loss(start, rate, steps, cancellation)));
            progress?.Invoke(probes[^1]);
            return probes[^1];
        }
        for (var i = -Around; i <= Around; i++) Try(usual * Math.Pow(Spacing, i), first);
        // The best at an edge says that there may be better beyond it.
        while (Edge(probes) is { } beyond && Spent(probes) + first + 2 * Finalists * LeastSteps <= budget)
            Try(beyond, first);
        var (own, other) = (probes[Around], probes.Where(p => p.Rate != usual).MinBy(p => p.Loss)!);
        var longer = (budget - Spent(probes)) / Finalists;
        return longer <= first ? Decide(own, other, probes, losses, whole)
            : Decide(Try(own.Rate, longer), Try(other.Rate, longer), probes, losses, whole);
    }

    private static int Spent(List<RateProbe> probes) => probes.Sum(p => p.Steps);

    private static double? Edge(List<RateProbe> probes)
    {
        var best = probes.MinBy(p => p.Loss)!.Rate;
        if (double.IsInfinity(probes.Min(p => p.Loss))) return probes.Min(p => p.Rate) / Spacing;
        return best == probes.Max(p => p.Rate) && best * Spacing <= Most ? best * Spacing
            : best == probes.Min(p => p.Rate) && best / Spacing >= Least ? best / Spacing : null;
    }

    // The usual rate has been right for other data, so another must be better by more than chance.
    private static RateSearchResult Decide(RateProbe own, RateProbe other, List<RateProbe> probes,
        Dictionary<(double Rate, int Steps), double[]> losses, int whole)
    {
        if (double.IsInfinity(Math.Min(own.Loss, other.Loss)))
            return new(own.Rate / Spacing, probes,
                "none that was tried kept its numbers finite, so it is one below the usual rate");
        if (double.IsInfinity(own.Loss)) return new(other.Rate, probes, "with the usual rate numbers are not finite");
        if (own.Loss <= other.Loss)
            return new(own.Rate, probes, $"the usual rate has the lowest loss after {own.Steps} steps");
        var error = ErrorOfDifference(losses[(own.Rate, own.Steps)], losses[(other.Rate, other.Steps)]);
        if (own.Loss - other.Loss <= Errors * error)
            return new(own.Rate, probes,
                $"after {own.Steps} steps no rate is better than the usual one by more than chance");
        return other.Rate < own.Rate
            ? new(other.Rate, probes, $"its loss after {other.Steps} steps is the lowest, by more than chance")
            : Raise(own, other, probes, whole);
    }

    // A short run wants a higher rate than a long one, by about the root of their lengths (the best constant rate of
    // stochastic gradient descent goes with one over the root of the steps).
    private static RateSearchResult Raise(RateProbe own, RateProbe other, List<RateProbe> probes, int whole)
    {
        var rate = double.Parse((other.Rate * Math.Sqrt((double)other.Steps / whole)).ToString("0.0e0",
            CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var best = $"{other.Rate.ToString("0.##e0", CultureInfo.InvariantCulture)} has the lowest loss after "
            + $"{other.Steps} steps, by more than chance";
        return rate > own.Rate ? new(rate, probes, $"{best}; {whole} steps want less")
            : new(own.Rate, probes, $"{best}, but {whole} steps want less, which the usual one is");
    }

    // One standard error of the mean difference, step by step on the same batches.
    private static double ErrorOfDifference(double[] x, double[] y)
    {
        double[] differences = [.. x.Zip(y, (a, b) => a - b)];
        var mean = differences.Average();
        var variance = differences.Sum(d => (d - mean) * (d - mean)) / Math.Max(1, differences.Length - 1);
        return Math.Sqrt(variance / differences.Length);
    }

    private double Loss(Func<Adapter> start, double rate, int steps, CancellationToken cancellation)
    {
        using var adapter = start();
        using var trainer = new Trainer(model, adapter, train, null, Probe(rate, steps));
        var seen = new double[steps];
        try
        {
            for (var i = 0; i < steps; i++)
                seen[i] = (trainer.Step(cancellation)
                    ?? throw new OperationCanceledException(cancellation)).Loss;
        }
        catch (NumericException)
        {
            losses[(rate, steps)] = [];
            return double.PositiveInfinity;
        }
        return (losses[(rate, steps)] = seen[(steps / 2)..]).Average();
    }

    private TrainerOptions Probe(double rate, int steps) => options with
    {
        LearningRate = rate, MaxSteps = steps, Output = null,
        WarmupSteps = options.WarmupSteps is { } warmup ? Math.Min(warmup, steps / 2) : null,
        ResumeFrom = null, CheckLearning = false, FrozenLayerCacheBytes = 0,
        EvalSteps = null, EarlyStoppingPatience = null, BestMetric = "loss", TuneThresholds = false,
        OnNan = OnNan.Stop,
    };

    private int StepsOfRun(Func<Adapter> start)
    {
        using var adapter = start();
        using var trainer = new Trainer(model, adapter, train, null, Probe(options.LearningRate, 1) with
        {
            MaxSteps = options.MaxSteps,
        });
        return trainer.TotalSteps;
    }
}
