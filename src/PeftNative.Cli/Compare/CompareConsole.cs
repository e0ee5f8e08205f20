using System.Diagnostics;
using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Compare;

/// <summary>Shows how far a comparison is: a live line, and a line for every finished run.</summary>
internal sealed class CompareConsole(Terminal terminal) : IDisposable
{
    private readonly ProgressLine line = new(terminal);
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private int reused;

    /// <summary>Shows an event.</summary>
    public void Show(ComparisonProgress progress)
    {
        var (key, finished) = (progress.Key, progress.Finished);
        foreach (var warning in progress.Warnings)
        {
            line.Clear();
            terminal.WarnOnce($"{key.Method}: {warning}");
        }
        if (finished is null)
        {
            var step = progress.Step is { } s
                ? $"step {s.Step} of {s.TotalSteps}, loss {Quantity.Metric(s.Loss)}" : "starts";
            line.Show($"run {progress.Number} of {progress.Total}{Left(progress)}: {Name(key)}: {step}");
            return;
        }
        line.Clear();
        if (progress.IsReused) reused++;
        terminal.Object(Json(finished, progress.IsReused));
        if (terminal.Quiet) return;
        var metric = MethodComparison.QualityMetric(finished.Metrics);
        terminal.Line(
            $"  {progress.Number,3}/{progress.Total}  {Name(key),-44} {metric.Replace('_', ' ')} "
                + $"{Quantity.Metric(finished.Metrics[metric])}"
            + (progress.IsReused ? "  (was there)" : $"  {Quantity.Time(finished.Seconds)}"));
    }

    /// <inheritdoc/>
    public void Dispose() => line.Dispose();

    private static string Name(CellKey key) =>
        $"{key.Method} on {key.Task}, {Quantity.Of(key.Size, "record")}, seed {key.Seed}";

    private static JsonObject Json(CellResult cell, bool reused)
    {
        var json = cell.ToJson();
        foreach (var bulky in (string[])["curve", "continuations"]) json.Remove(bulky);
        (json["event"], json["reused"]) = ("cell", reused);
        return json;
    }

    // What is left takes as long as what was done, run for run.
    private string Left(ComparisonProgress progress)
    {
        var done = progress.Number - 1 - reused;
        return done <= 0 ? ""
            : $", {Quantity.Time(clock.Elapsed.TotalSeconds / done * (progress.Total - progress.Number + 1))} left";
    }
}
