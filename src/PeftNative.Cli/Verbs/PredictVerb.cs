using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Formats.Storage;
using PeftNative.Models.Loading;
using PeftNative.Peft;

namespace PeftNative.Cli.Verbs;

/// <summary>Writes what a model says about each record.</summary>
internal sealed class PredictVerb : Verb
{
    private static readonly Setting Output = new("output", SettingKind.Text,
        "File for the predictions, one JSON object per record; standard output without it.")
    {
        ValueName = "FILE.jsonl", Group = "What",
    };

    public override string Name => "predict";

    public override string Summary => "writes labels and scores, tags, or continuations for every record of a file";

    public override string Example =>
        "peftnative predict --model minilm --adapter sst2-lora --data sst2-test.jsonl --output predictions.jsonl";

    public override string Notes => """
        With --adapter NAME=DIR (several times) the field "adapter" of each record says which one works on it; without
        that field, or with null there, none does. Records of one batch may differ.
        Texts: {"index":0,"line":1,"label":"positive","score":0.98,"scores":{"negative":0.02,"positive":0.98}}
        Words: {"index":0,"line":1,"tags":["O","B-PER"]}; prompts: {"index":0,"line":1,"prediction":"..."}
        """;

    public override IReadOnlyList<Setting> Settings =>
    [
        Shared.Model, ModelSession.ChosenAdapters, DataSettings.Data, Output,
        DataSettings.BatchSize with { Group = "Data", Default = "32" },
        Predictions.Labels,
        .. QuantizationSettings.All, .. DataSettings.Reading, .. SamplingSettings.All, .. Shared.Machine,
    ];

    public override int Run(SettingValues values, Terminal terminal)
    {
        RefuseToWriteOverData(values);
        var data = DataPlan.Read(DataSources.One(values), values, terminal, forPrediction: true);
        using var session = ModelSession.Open(values, terminal, OptionsFor(values), byName: true);
        var lines = new Predictions(session, data, values, terminal).Lines();
        if (values.OptionalText(Output) is not { } output)
        {
            foreach (var line in lines) terminal.Out.WriteLine(line.ToJsonString(JsonLines.Options));
            return 0;
        }
        var count = 0;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(output))!);
        AtomicFile.Write(output, stream =>
        {
            using var buffer = new StreamWriter(new BufferedStream(stream, 1 << 16), leaveOpen: true);
            foreach (var line in lines)
            {
                count++;
                buffer.Write(line.ToJsonString(JsonLines.Options));
                buffer.Write('\n');
            }
        });
        terminal.Object(new JsonObject { ["output"] = output, ["records"] = count });
        terminal.Line($"{Quantity.Of(count, "prediction")} in {output}");
        return 0;
    }

    // The file is read to its end before it would be replaced, so that nothing else stops it.
    private static void RefuseToWriteOverData(SettingValues values)
    {
        if (values.OptionalText(Output) is { } output
            && Path.GetFullPath(output) == Path.GetFullPath(values.Text(DataSettings.Data)))
            throw new UsageException("The predictions would be written over the data.", output, "Choose another file.");
    }

    private static ModelOptions? OptionsFor(SettingValues values)
    {
        if (!values.Has(Predictions.Labels)) return null;
        var adapters = ModelSession.NamedSources(values);
        var options = adapters.Count > 0
            ? AdapterLabels.OptionsFor(adapters[0].Source.Folder, values.Text(Shared.Model)) : new ModelOptions();
        return options with { Labels = values.Texts(Predictions.Labels) };
    }
}
