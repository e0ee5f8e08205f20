using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Lab.Benchmarking;
using PeftNative.Lab.Benchmarking.Operations;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cli.Bench;

/// <summary>The benchmarks of this process: single operations, steps, training, generation, laws of growth.</summary>
internal static class BenchRuns
{
    /// <summary>One operation, or every one.</summary>
    public static int Operations(SettingValues values, Terminal terminal, string? name)
    {
        using var backend = Machine.CreateBackend(values);
        var peaks = Peaks(values, backend);
        IReadOnlyList<OperationBenchmark> operations = name is null
            ? OperationBenchmark.All : [OperationBenchmark.Find(name)];
        List<Measurement> measured = [];
        foreach (var operation in operations)
        {
            if (!operation.RunsOn(backend))
            {
                terminal.Note($"not exercised: {operation.Name}, which the backend {backend.Name} does not have");
                continue;
            }
            measured.AddRange(operation.Measure(backend, BenchSettings.Sizes(values, operation), peaks,
                values.Int(BenchSettings.Warmup), values.Int(BenchSettings.Steps), terminal.Cancellation));
        }
        terminal.Line($"backend     {backend.Description}");
        BenchOutput.Show(values, terminal,
            BenchOutput.Report($"peftnative bench op {name}".TrimEnd(), peaks, measured));
        return 0;
    }

    /// <summary>A training step; its JSON line is what other tools rely on.</summary>
    public static int Step(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        var options = BenchSettings.StepOptions(values);
        var result = StepBenchmark.Run(backend, options, terminal.Cancellation);
        terminal.Object(new JsonObject
        {
            ["peer"] = "peftnative", ["backend"] = backend.Name, ["method"] = options.Method,
            ["dtype"] = values.Text(Shared.DType),
            ["targets"] = options.Targets, ["trainable"] = result.Trainable,
            ["step_ms"] = Math.Round(result.StepMilliseconds, 3),
            ["tokens_per_s"] = Math.Round(result.TokensPerSecond), ["peak_rss_mb"] = result.PeakResidentMegabytes,
            ["peak_device_mb"] = result.PeakDeviceMegabytes, ["loss"] = Math.Round(result.Loss, 4),
        });
        terminal.Line($"backend     {backend.Description}");
        terminal.Line(
            $"step        {PeerTable.Time(result.StepMilliseconds)} ms (median of {options.Steps}), "
                + $"{result.TokensPerSecond:0} tokens/s"
            + (result.ReplayedSteps > 0
                ? $", {result.ReplayedSteps} of {options.Warmup + options.Steps} replayed as a graph" : ""));
        terminal.Line(
            $"memory      {result.PeakResidentMegabytes} MiB resident at most, {result.PeakDeviceMegabytes} MiB held "
                + "by the engine");
        terminal.Line($"allocated   {result.AllocatedBytesPerStep:N0} managed bytes per step");
        terminal.Line($"trainable   {result.Trainable:N0} values");
        BenchOutput.Write(values, BenchOutput.Report("peftnative bench step", null,
            [new Measurement("step", result.Rounds) { Tokens = options.Batch * options.Sequence }]));
        return 0;
    }

    /// <summary>The training loop.</summary>
    public static int Train(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        var options = BenchSettings.StepOptions(values);
        using var model = ModelLoader.CreateRandom(backend, options.ModelConfig(), seed: 1, options.Quantization);
        BenchOutput.Show(values, terminal, BenchOutput.Report("peftnative bench train", null,
            TrainBenchmark.Measure(model, options, terminal.Cancellation)));
        return 0;
    }

    /// <summary>
    /// Prefill and decode, without an adapter (which is also what a merged model does) and with one beside the weights.
    /// </summary>
    public static int Generate(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        var options = BenchSettings.StepOptions(values);
        var tokens = values.Int(BenchSettings.NewTokens);
        using var model = ModelLoader.CreateRandom(backend,
            options.ModelConfig() with { MaxPositions = options.Sequence + options.VirtualTokens + tokens }, seed: 1,
            options.Quantization);
        using var adapter = options.AdapterConfig().Create(model, seed: 1, trainable: false, "default");
        var peaks = Peaks(values, backend);
        var measured = new GenerateBenchmark(model, options, tokens).Measure(
            [("base or merged", []), ($"with {options.Method}", [adapter])], peaks, terminal.Cancellation);
        BenchOutput.Show(values, terminal, BenchOutput.Report("peftnative bench generate", peaks, measured));
        return 0;
    }

    /// <summary>
    /// What quantised bases cost in exactness and give in time and memory, against the base as it is in fp32.
    /// </summary>
    public static int Quantization(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        using var exact = Machine.CreateBackend(values, DType.Float32);
        var results = new QuantizationBenchmark(backend, BenchSettings.StepOptions(values)).Measure(exact,
            terminal.Cancellation);
        terminal.Line($"backend     {backend.Description}");
        var table = new TextTable("base", "weights MiB", "scores off", "gradients off", "step ms", "times faster");
        foreach (var r in results)
        {
            table.Add(r.Step.Name, $"{r.WeightBytes >> 20}", $"{r.Scores:0.0e0}", $"{r.Gradients:0.0e0}",
                $"{r.Step.Median:0.0}", $"{results[0].Step.Median / r.Step.Median:0.00}");
            terminal.Object(new JsonObject
            {
                ["base"] = r.Step.Name, ["dtype"] = backend.ComputeType.Name(), ["weight_bytes"] = r.WeightBytes,
                ["scores"] = r.Scores, ["gradients"] = r.Gradients,
                ["step_ms"] = Math.Round(r.Step.Median, 3),
            });
        }
        foreach (var line in table.Lines()) terminal.Line(line);
        BenchOutput.Write(values,
            BenchOutput.Report("peftnative bench quantization", null, [.. results.Select(r => r.Step)]));
        return 0;
    }

    /// <summary>
    /// The laws of growth, each with whether it holds here. The exit code is 0 all the same: a noisy machine is no
    /// failure of the program.
    /// </summary>
    public static int Growth(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        var filter = values.OptionalText(BenchSettings.Filter) ?? "";
        List<Measurement> measured = [];
        foreach (var (name, run) in new GrowthBenchmark(backend, BenchSettings.StepOptions(values)).Laws)
        {
            if (!name.Contains(filter, StringComparison.OrdinalIgnoreCase)) continue;
            terminal.Cancellation.ThrowIfCancellationRequested();
            var result = run();
            terminal.Line($"{name,-8} {(result.Holds ? "holds" : "BROKEN"),-7} {result.Law}: {result.Found}");
            terminal.Object(new JsonObject { ["law"] = name, ["holds"] = result.Holds, ["promise"] = result.Law,
                ["found"] = result.Found });
            measured.AddRange(result.Measurements.Select(m => m with { Name = $"{name}: {m.Name}" }));
        }
        BenchOutput.Write(values, BenchOutput.Report("peftnative bench growth", null, measured));
        return 0;
    }

    /// <summary>The peaks of the processor, where the backend runs on it.</summary>
    public static MachinePeaks? Peaks(SettingValues values, IBackend backend) => backend.Name is "cpu" or "reference"
        ? MachinePeaks.Measure((int?)values.OptionalWhole(Shared.Threads) ?? 0) : null;

    /// <summary>Two reports beside each other.</summary>
    public static int Compare(Terminal terminal, string before, string after)
    {
        var (old, now) = (BenchmarkReport.Read(before), BenchmarkReport.Read(after));
        if (MeasurementComparison.MachineDiffers(old.Peaks, now.Peaks))
            terminal.Warn(
                $"the machine was not the same for both: {BenchmarkReport.Describe(old.Peaks!)}; then "
                    + $"{BenchmarkReport.Describe(now.Peaks!)}. What differs may be its doing.");
        var first = old.Measurements.ToDictionary(m => m.Name);
        var table = new TextTable("what", "before ms", "after ms", "change", "verdict");
        foreach (var m in now.Measurements)
        {
            if (!first.Remove(m.Name, out var one))
            {
                table.Add(m.Name, "-", $"{m.Median:0.000}", "-", "only in the second");
                continue;
            }
            var verdict = MeasurementComparison.Compare(one, m);
            var change = (m.Median / one.Median - 1) * 100;
            table.Add(m.Name, $"{one.Median:0.000}", $"{m.Median:0.000}", $"{change:+0.0;-0.0;0.0} %",
                verdict == Verdict.Same ? "not told apart" : verdict.ToString().ToLowerInvariant());
            terminal.Object(new JsonObject { ["name"] = m.Name, ["before_ms"] = one.Median, ["after_ms"] = m.Median,
                ["verdict"] = verdict.ToString().ToLowerInvariant() });
        }
        foreach (var one in first.Values) table.Add(one.Name, $"{one.Median:0.000}", "-", "-", "only in the first");
        foreach (var line in table.Lines()) terminal.Line(line);
        return 0;
    }
}
