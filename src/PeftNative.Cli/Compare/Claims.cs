using System.Globalization;
using PeftNative.Cli.Output;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Compare;

/// <summary>A claim made for parameter-efficient fine-tuning, and what this run says to it.</summary>
internal sealed record Claim(string Title, string Text);

/// <summary>The five claims, each answered by the numbers of the run, whatever they say.</summary>
internal static class Claims
{
    /// <summary>The claims that this run can answer.</summary>
    public static IEnumerable<Claim> Of(ComparisonSummary summary)
    {
        if (!summary.Adapters.Any()) yield break;
        yield return new Claim("1. Compute and storage", Costs(summary));
        yield return new Claim("2. Forgetting", Forgetting(summary));
        if (summary.Plan.Sizes.Count > 1) yield return new Claim("3. Few records", FewRecords(summary));
        yield return new Claim("4. Quality against full fine-tuning", Quality(summary));
        if (summary.Portability is { Adapters.Count: > 0 } portability)
            yield return new Claim("5. One base, many adapters", Changing(portability));
    }

    private static string Costs(ComparisonSummary summary)
    {
        var all = summary.Adapters.ToList();
        var (parameters, bytes) = ((double)summary.Facts.Parameters, summary.Facts.ModelBytes);
        var text =
            $"The methods train {Quantity.Percent(all.Min(m => m.Trainable) / parameters)} to "
            + $"{Quantity.Percent(all.Max(m => m.Trainable) / parameters)} "
            + $"of the number of the model's parameters, and store {Quantity.Bytes(all.Min(m => m.StoredBytes))} to "
            + $"{Quantity.Bytes(all.Max(m => m.StoredBytes))} "
            + $"where the model has {Quantity.Bytes(bytes)}.";
        if (summary.Full is not { } full) return text;
        string Range(Func<MethodSummary, double> of) =>
            $"{Percent(all.Min(m => of(m) / of(full)))} to {Percent(all.Max(m => of(m) / of(full)))}";
        return text
            + $" A step takes {Range(m => m.StepMilliseconds)} of the time of full fine-tuning, and "
            + $"{Range(m => m.TrainingBytes)} of its memory beside the weights.";
    }

    private static string Forgetting(ComparisonSummary summary)
    {
        var (facts, runs) =
            (summary.Facts, summary.Cells.Where(c => summary.Adapters.Any(m => m.Method.Name == c.Key.Method))
                .ToList());
        var off = runs.Count(c => c.OffIsIdentical);
        var all = summary.Adapters.Select(m => m.KnowledgeOn.Mean).ToList();
        var text =
            $"With the adapter off, the base gives bit for bit what it gave before, in {off} of "
            + $"{Quantity.Of(runs.Count, "run")}. "
            + $"With the adapter on, the {facts.Knowledge}, {CompareTable.Fixed(facts.KnowledgeBefore)} before, is "
            + $"between {CompareTable.Fixed(all.Min())} and {CompareTable.Fixed(all.Max())}";
        return summary.Full is { } full
            ? $"{text}; after full fine-tuning {CompareTable.Fixed(full.KnowledgeOn.Mean)}, and there is no switch."
            : text + ".";
    }

    private static string FewRecords(ComparisonSummary summary)
    {
        var parts = new List<string>();
        foreach (var size in summary.Plan.Sizes.SkipLast(1))
        {
            if (summary.Best(size) is not { } best) continue;
            var full = summary.Full is { } f && f.Quality.ContainsKey(size)
                ? $", full fine-tuning {CompareTable.Text(f.Quality[size])}" : "";
            parts.Add(
                $"With {Quantity.Of(size, "record")} {Leaders(summary, size)} "
                    + $"{CompareTable.Text(best.Quality[size])}{full}.");
        }
        return string.Join(' ', parts) + $" ({Measure(summary)}.)";
    }

    private static string Quality(ComparisonSummary summary)
    {
        var size = summary.Plan.LargestSize;
        if (summary.Best(size) is not { } best) return "No run on the most records is finished.";
        var before = summary.Facts.Before.GetValueOrDefault(summary.Facts.Metric);
        var text =
            $"With {Quantity.Of(size, "record")} {Leaders(summary, size)} {CompareTable.Text(best.Quality[size])}";
        if (summary.Full?.Quality.GetValueOrDefault(size) is not { } full)
            return $"{text} ({Measure(summary)}).{Chance(summary, best.Quality[size])}";
        text += $"; full fine-tuning has {CompareTable.Text(full)} ({Measure(summary)}). ";
        if (!(full.Mean > before) && !(best.Quality[size].Mean > before))
            return text
                + "Nothing is better than the untouched base, so this run does not tell the methods apart: more steps, "
                + "records or other rates are needed.";
        var equal = summary.AsGoodAsFull.Select(m => m.Method.Name).ToList();
        var seeds = summary.Plan.Seeds.Count;
        return text + (equal.Count == 0 ? "No method is as good as full fine-tuning"
            : $"As good as full fine-tuning or better: {string.Join(", ", equal)}")
            + (seeds > 1 ? $", within one standard deviation over {seeds} seeds."
                : "; with one seed, small differences say nothing.") + Chance(summary, full);
    }

    // The method with the best mean; those with the same mean beside it.
    private static string Leaders(ComparisonSummary summary, int size)
    {
        var best = summary.Best(size)!.Quality[size].Mean;
        var names = summary.Adapters.Where(m => m.Quality.ContainsKey(size) && m.Quality[size].Mean == best)
            .Select(m => m.Method.Name).ToList();
        return names.Count == 1 ? $"{names[0]} is the best method with"
            : $"the best methods are {string.Join(", ", names)} with";
    }

    // How far chance alone moves a share of so many records.
    private static string Chance(ComparisonSummary summary, Spread share)
    {
        var (p, n) = (share.Mean, summary.Facts.Metric == "exact_match"
            ? summary.Facts.Continuations.Count : summary.Facts.EvaluationExamples);
        return summary.Facts.Metric is not ("accuracy" or "exact_match") || n == 0 || p is <= 0 or >= 1 ? ""
            : $" One standard error of such a share of {Quantity.Of(n, "evaluation record")} is "
            + $"{CompareTable.Fixed(Math.Sqrt(p * (1 - p) / n))}.";
    }

    private static string Changing(PortabilityResult found)
    {
        var (all, intact, same) =
            (found.Adapters, found.Adapters.Count(a => a.BaseIsIntact), found.Adapters.Count(a => a.IsAsTrained));
        var text =
            $"{Quantity.Of(all.Count, "adapter")} on one base: reading one takes "
            + $"{Milliseconds(Median(all.Select(a => a.LoadMilliseconds)))} in the median, changing to one in memory "
            + $"{Milliseconds(Median(all.Select(a => a.SwitchMilliseconds)))}; reading the base takes "
            + $"{Milliseconds(found.BaseLoadMilliseconds)}. "
            + $"Loaded again, {same} of {all.Count} give the bits they gave at the end of their training; after "
            + $"{intact} of {all.Count} the base without them gives its own bits; "
            + (found.FilesAreIntact ? "its files have the same sha256 as before." : "ITS FILES HAVE CHANGED.");
        return text;
    }

    private static string Measure(ComparisonSummary summary) =>
        $"{summary.Facts.Metric.Replace('_', ' ')}; the untouched base has "
        + $"{CompareTable.Fixed(summary.Facts.Before.GetValueOrDefault(summary.Facts.Metric))}";

    private static double Median(IEnumerable<double> values) => new Spread([.. values]).Median;

    private static string Percent(double share) => (100 * share).ToString("0", CultureInfo.InvariantCulture) + " %";

    /// <summary>A time in the unit that fits it.</summary>
    public static string Milliseconds(double value) => value switch
    {
        < 0.001 => "less than 1 µs",
        < 0.1 => (1000 * value).ToString("0.0", CultureInfo.InvariantCulture) + " µs",
        _ => value.ToString("0.0", CultureInfo.InvariantCulture) + " ms",
    };
}
