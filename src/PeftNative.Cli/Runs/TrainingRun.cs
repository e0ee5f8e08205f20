using System.Diagnostics;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Report;
using PeftNative.Formats.Json;
using PeftNative.Formats.Storage;
using PeftNative.Peft.Merging;
using PeftNative.Training.Loop;
using PeftNative.Training.Observing;
using PeftNative.Training.Reporting;

namespace PeftNative.Cli.Runs;

/// <summary>
/// A training run with everything around it: panel, log, report, resolved configuration, going on after an
/// interruption.
/// </summary>
internal sealed class TrainingRun(RunSetup setup, SettingValues values, Terminal terminal)
{
    private readonly string output = values.Text(TrainSettings.Output);
    private readonly Stopwatch clock = Stopwatch.StartNew();

    /// <summary>Trains; returns the exit code.</summary>
    public int Run()
    {
        var start = RunFolderState.Decide(output, values, terminal);
        if (start.IsFinished) return 0;
        var files = CompanionFiles.Of(setup, values);
        using var trainer = new Trainer(setup.Model, setup.Adapter, setup.Train, setup.Eval,
            setup.Options with
            {
                Output = output, ResumeFrom = start.Checkpoint, CompanionFiles = files,
            });
        var panel = StartPanel.Lines(setup, values, trainer.StepsPerEpoch, trainer.TotalSteps)
            .Append(("output", output)).ToList();
        foreach (var (name, text) in panel) terminal.Line($"{name,-11} {text}");
        terminal.Line();
        if (start.Checkpoint is not null)
            terminal.Note($"goes on from {start.Checkpoint}, step {trainer.CompletedSteps} of {trainer.TotalSteps}");
        WriteSettings(files);

        var sample = start.Checkpoint is null ? Sample.Take(setup, terminal.Cancellation) : null;
        using var log = new RunLog(output, trainer.CompletedSteps);
        foreach (var bad in setup.Data.BadLines) log.Add(bad);
        if (setup.Rate is { } search) terminal.Object(log.Add(new RateEvent { Step = 0, Search = search }));
        foreach (var seen in setup.Observations.Concat(start.Changes.Select(c => new Observation("run-changed", c))))
            Tell(seen, log, trainer.CompletedSteps);
        using var console = new TrainConsole(terminal, values.Int(TrainSettings.LoggingSteps));
        using var board = TrainSettings.ReportsToTensorBoard(values)
            ? new TensorBoardLog(Path.Combine(output, "runs"), trainer.CompletedSteps) : null;
        using var notice = terminal.Cancellation.Register(
            () => terminal.Note("\ninterrupted: finishing the batch and saving; once more ends at once"));
        TrainResult? result = null;
        try
        {
            result = trainer.Run(e =>
            {
                terminal.Object(log.Add(e));
                board?.Add(e);
                console.Show(e);
                if (e is EvalEvent eval) CompanionFiles.TakeThresholds(files, setup, eval, output);
            }, terminal.Cancellation);
        }
        finally
        {
            // A run that fails is the one whose plots are wanted most.
            console.Dispose();
            WriteReport(result, trainer, log, panel, sample);
        }
        return Finish(result, trainer, log);
    }

    private void Tell(Observation seen, RunLog log, int step)
    {
        terminal.Warn(seen.Text);
        var line = log.Find(seen.Text)
            ?? log.Add(new WarningEvent { Step = step, Name = seen.Name, Message = seen.Text });
        terminal.Object(line);
    }

    private void WriteSettings(Dictionary<string, string> files)
    {
        AtomicFile.WriteText(Path.Combine(output, RunFolderState.ConfigName),
            ConfigWriter.Write(values, TrainSettings.Recorded));
        foreach (var (name, text) in files) AtomicFile.WriteText(Path.Combine(output, name), text);
        CopyTokenizer(output);
    }

    // Who uses the adapter needs the tokenizer that knows its added tokens; so does the base, to grow.
    private void CopyTokenizer(string folder)
    {
        if (setup.TokenizerFolder == values.Text(Shared.Model)) return;
        foreach (var name in MergedFolder.TokenizerFiles)
            if (Path.Combine(setup.TokenizerFolder, name) is var file && File.Exists(file))
                AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(File.ReadAllBytes(file)));
    }

    private int Finish(TrainResult result, Trainer trainer, RunLog log)
    {
        var summary = Summary(result, trainer);
        summary["observations"] = log.Observations();
        if (result.Best is not null) CopyTokenizer(Path.Combine(output, "best"));
        if (result.End == RunEnd.Cancelled)
        {
            terminal.Object(summary);
            terminal.Note(
                $"saved {result.Checkpoint}. The same command goes on from there:\n  peftnative {ResumeCommand()}");
            return terminal.Interruption.ExitCode;
        }
        AtomicFile.WriteText(Path.Combine(output, RunFolderState.SummaryName), PeftJson.Write(summary) + "\n");
        terminal.Object(summary);
        terminal.Line();
        if (result.End == RunEnd.EarlyStopped)
            terminal.Line($"stopped early: no improvement in {setup.Options.EarlyStoppingPatience} evaluations");
        terminal.Line(
            $"done in {Quantity.Time(clock.Elapsed.TotalSeconds)}, loss {Quantity.Metric(result.Loss)}, a step took up "
                + $"to {Quantity.Bytes(trainer.PeakStepBytes)}");
        if (result.NotLearned.Count > 0) terminal.Warn(Advice());
        if (ModelCard.Write(setup, values, result, output) is { } kept) terminal.Note(kept);
        if (result.Best is { } best)
            terminal.Line($"best: {string.Join(", ", best.Select(m => $"{m.Key} {Quantity.Metric(m.Value)}"))}");
        terminal.Line($"adapter  {output}" + (result.Best is null
            ? "" : $" (the last), {Path.Combine(output, "best")} (the best)"));
        terminal.Line($"report   {Path.Combine(output, "report.html")}");
        if (setup.Origin.Merged.Count > 0)
            terminal.Line($"its base peftnative {setup.Origin.MergeCommand(output)}");
        terminal.Line($"try it   peftnative {TryCommand()}");
        return 0;
    }

    private string Advice() =>
        "this adapter is saved, but it has not learned from the data. Try another --learning_rate "
        + $"(it was {Quantity.Number(setup.Options.LearningRate)}), more --epochs, more records, or another --method.";

    private JsonObject Summary(TrainResult result, Trainer trainer) => new()
    {
        ["event"] = "end", ["end"] = result.End switch { RunEnd.Cancelled =>
            "interrupted", RunEnd.EarlyStopped => "early_stopped", _ => "completed" },
        ["step"] = result.Steps, ["loss"] = JsonLines.Number(result.Loss), ["best"] = Metrics(result.Best),
        ["last"] = Metrics(result.Last),
        ["output"] = output, ["checkpoint"] = result.Checkpoint, ["trainable"] = setup.Adapter.ParameterCount,
        ["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 3), ["peak_step_bytes"] = trainer.PeakStepBytes,
        ["replayed_batches"] = trainer.ReplayedBatches, ["learned"] = result.NotLearned.Count == 0,
        ["not_learned"] = new JsonArray([.. result.NotLearned.Select(r => (JsonNode)r)]),
    };

    private static JsonObject? Metrics(IReadOnlyDictionary<string, double>? metrics) =>
        metrics is null ? null
        : new JsonObject(metrics.Select(m => KeyValuePair.Create(m.Key, JsonLines.Number(m.Value))));

    private void WriteReport(TrainResult? result, Trainer trainer, RunLog log, List<(string, string)> panel,
        Sample? sample)
    {
        var cards = new List<(string, string)>
        {
            ("steps", $"{Quantity.Count(trainer.CompletedSteps)}"),
            ("final loss", result is null ? "-" : Quantity.Metric(result.Loss)),
            ("trained parameters", Quantity.Count(setup.Adapter.ParameterCount)),
            ("time", Quantity.Time(clock.Elapsed.TotalSeconds)),
        };
        if (result is { NotLearned.Count: > 0 }) cards.Insert(0, ("learned", "no"));
        foreach (var (name, value) in (result?.Best ?? result?.Last ?? new Dictionary<string, double>()).Take(3))
            cards.Add(($"{name.Replace('_', ' ')}, best evaluation", Quantity.Metric(value)));
        var title =
            $"{Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(output)))}: "
            + $"{values.Text(MethodSettings.Name)} on {Path.GetFileName(setup.Data.Path)}";
        var state = result switch { null => "stopped by an error", { End: RunEnd.Cancelled } => "interrupted",
            { End: RunEnd.EarlyStopped } => "stopped early", _ => "completed" };
        AtomicFile.WriteText(Path.Combine(output, "report.html"), HtmlReport.Write(title,
            $"{state}, {DateTime.Now:yyyy-MM-dd HH:mm}, peftnative {Product.Version}, {setup.Backend.Description}",
            cards, log.Lines, panel, result is null ? [] : Samples(sample),
            ConfigWriter.Write(values, TrainSettings.Recorded)));
    }

    private List<(string, string)> Samples(Sample? sample) => sample is null ? []
        : [("text", sample.Prompt), ("in the data", sample.Wanted), ("before", sample.Before),
            ("after", sample.After(setup))];

    private string ResumeCommand() =>
        $"train --config {CommandLine.Quote(Path.Combine(output, RunFolderState.ConfigName))}";

    private string TryCommand()
    {
        var folder = setup.Origin.Merged.Count > 0 ? RunOrigin.MergedBase(output) : values.Text(Shared.Model);
        var (model, data) = (CommandLine.Quote(folder), CommandLine.Quote(setup.Data.Path));
        var adapter = CommandLine.Quote(output);
        return setup.Model.Task.WritesText()
            ? $"generate --model {model} --adapter {adapter} --prompt '...'"
            : $"predict --model {model} --adapter {adapter} --data {data}";
    }
}
