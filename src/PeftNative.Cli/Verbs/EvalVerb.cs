using System.Diagnostics;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Inference;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Verbs;

/// <summary>Measures a model on data with answers.</summary>
internal sealed class EvalVerb : Verb
{
    public override string Name => "eval";

    public override string Summary =>
        "measures loss, perplexity, accuracy, F1, correlation, ROUGE on data with answers";

    public override string Example => "peftnative eval --model minilm --adapter sst2-lora --data sst2-dev.jsonl";

    public override string Notes => """
        Without --adapter the bare model is measured, to compare with. Models with encoder and decoder also write every
        text by themselves, for exact_match and ROUGE.
        """;

    public override IReadOnlyList<Setting> Settings =>
    [
        Shared.Model, ModelSession.Adapters, DataSettings.Data,
        DataSettings.BatchSize with { Group = "Data", Default = "32" }, .. QuantizationSettings.All,
        .. DataSettings.Reading,
        SamplingSettings.MaxTokens with { Help = "Most tokens of a written text.", Group = "Data" },
        .. Shared.Machine,
    ];

    public override int Run(SettingValues values, Terminal terminal)
    {
        var data = DataPlan.Read(DataSources.One(values), values, terminal);
        var folder = values.Text(Shared.Model);
        var config = FamilyTable.Read(folder);
        var adapters = ModelSession.AdapterSources(values);
        ModelOptions? asked = adapters.Count == 0 ? null : Peft.AdapterLabels.OptionsFor(adapters[0].Folder, folder);
        var labels = data.FindLabels(asked?.Labels ?? config.Labels);
        var fromData = data.ModelOptions(config, labels, 0);
        using var session = ModelSession.Open(values, terminal,
            fromData with { ProblemType = asked?.ProblemType ?? fromData.ProblemType });
        var examples = data.Encode(
            session.Tokenizer, session.TokenizerFolder, DataPlan.MaxLength(values, config), labels);

        var clock = Stopwatch.StartNew();
        using var evaluator = new Evaluator(session.Model, examples, values.Int(DataSettings.BatchSize),
            [.. session.Active])
        {
            Thresholds = adapters.Count == 0 ? null : Peft.AdapterLabels.ThresholdsOf(adapters[0].Folder),
        };
        using var progress = new ProgressLine(terminal);
        var metrics = new Dictionary<string, double>(evaluator.Run(progress, terminal.Cancellation)
            ?? throw new OperationCanceledException());
        if (session.Model.Task == ModelTask.SequenceToSequence)
        {
            using var writer = new TextEvaluator(session.Model, session.Tokenizer, [.. session.Active]);
            var options = new GenerationOptions { MaxTokens = values.Int(SamplingSettings.MaxTokens) };
            foreach (var (name, value) in writer.Run(examples.Examples, values.Int(DataSettings.BatchSize), options,
                progress, terminal.Cancellation))
                metrics[name] = value;
        }
        progress.Clear();
        foreach (var (name, value) in metrics) terminal.Line($"{name,-22} {Quantity.Metric(value)}");
        if (evaluator.Classes is { } classes)
        {
            terminal.Line();
            foreach (var line in ClassTable.Lines(classes)) terminal.Line(line);
            terminal.Line();
            foreach (var line in ClassTable.MatrixLines(classes)) terminal.Line(line);
            terminal.Line();
        }
        terminal.Line(
            $"{"examples",-22} {Quantity.Count(examples.Examples.Count)}, {Quantity.Time(clock.Elapsed.TotalSeconds)}");
        var json = new JsonObject(metrics.Select(m => KeyValuePair.Create(m.Key, JsonLines.Number(m.Value))))
        {
            ["examples"] = examples.Examples.Count, ["skipped"] = examples.Skipped.Count,
            ["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 3),
        };
        ClassTable.AddTo(json, evaluator.Classes);
        terminal.Object(json);
        return 0;
    }
}
