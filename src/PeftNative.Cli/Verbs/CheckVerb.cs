using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Peft;
using PeftNative.Tensors;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Verbs;

/// <summary>Everything short of training.</summary>
internal sealed class CheckVerb : Verb
{
    private const int DeepSteps = 3;

    private static readonly Setting Deep = new("deep", SettingKind.Switch,
        $"Also train {DeepSteps} steps, save and load, in a temporary folder.") { Group = "What" };

    public override string Name => "check";

    public override string Summary =>
        "does everything short of training: files, modules, data, lengths, memory, disk; does an adapter fit?";

    public override string Example =>
        "peftnative check --model my-model --data my-data.jsonl --target_modules all-linear --deep";

    public override string Notes =>
        "Takes every flag of train; exit code 0 means that train would start.\n"
        + "Without --data it says whether --adapter can be loaded on the model, and why not.";

    public override IReadOnlyList<Setting> Settings =>
    [
        Deep,
        .. TrainSettings.All.Select(s => s.Key == DataSettings.Data.Key ? s with { IsRequired = false } : s),
    ];

    public override int Run(SettingValues values, Terminal terminal)
    {
        var adapter = values.OptionalText(TrainSettings.Adapter);
        if (adapter is not null && !values.Has(TrainSettings.MergeAdapter) && !CheckFit(values, adapter, terminal))
            return 0;
        using var setup = RunSetup.Prepare(values, terminal);
        using var trainer = new Trainer(setup.Model, setup.Adapter, setup.Train, setup.Eval, setup.Options);
        var panel = StartPanel.Lines(setup, values, trainer.StepsPerEpoch, trainer.TotalSteps).ToList();
        panel.Add(("disk", Disk(setup, values)));
        foreach (var (name, text) in panel) terminal.Line($"{name,-11} {text}");
        foreach (var observation in setup.Observations) terminal.WarnOnce(observation.Text);
        if (setup.Loaded.Unused.Count > 0)
            terminal.Note(
                $"the checkpoint has {setup.Loaded.Unused.Count} tensors that are not used, the first being "
                    + $"{string.Join(", ", setup.Loaded.Unused.Take(3))}");
        var deep = values.Switch(Deep) ? TryOut(setup, trainer, terminal) : null;
        terminal.Line("ok: train would start" + (deep is null ? "" : $"; {deep}"));
        terminal.Object(new JsonObject
        {
            ["ok"] = true, ["records"] = setup.Report.Records, ["examples"] = setup.Report.Examples,
            ["tokens"] = setup.Report.Tokens,
            ["truncated"] = setup.Report.Truncated, ["masked_share"] = JsonLines.Number(setup.Report.MaskedShare),
            ["trainable"] = setup.Adapter.ParameterCount, ["total"] = setup.Adapter.TotalParameterCount,
            ["steps"] = trainer.TotalSteps,
            ["warnings"] = JsonLines.List(setup.Observations.Select(o => o.Text)),
            ["observations"] = RunLog.ToJson(setup.Observations), ["deep"] = deep,
            ["panel"] = new JsonObject(panel.Where(p => p.Item1.Length > 0)
                .Select(p => KeyValuePair.Create(p.Item1, (JsonNode?)p.Item2))),
        });
        return 0;
    }

    // Whether there is data to go on with.
    private static bool CheckFit(SettingValues values, string adapter, Terminal terminal)
    {
        var isAll = !values.Has(DataSettings.Data);
        if (isAll)
            values.Refuse([Deep, .. TrainSettings.All.Except([Shared.Model, TrainSettings.Adapter, .. Shared.Machine,
                .. QuantizationSettings.All])], "without --data", "give some");
        var fit = FitReport.Of(values, adapter, values.Text(Shared.Model), terminal);
        fit.Print(terminal);
        if (isAll || fit.Error is not null)
            terminal.Object(new JsonObject { ["ok"] = fit.Error is null, ["fit"] = fit.ToJson() });
        if (fit.Error is not null) throw fit.Error;
        if (isAll) terminal.Line("ok: the adapter can be loaded");
        return !isAll;
    }

    // An adapter, the best one, and checkpoints with the optimizer's two moments.
    private static string Disk(RunSetup setup, SettingValues values)
    {
        var adapter = setup.Adapter.ParameterCount * sizeof(float);
        var needed = 2 * adapter + (setup.Options.SaveTotalLimit + 1) * 3 * adapter;
        var folder = Path.GetFullPath(values.OptionalText(TrainSettings.Output) ?? ".");
        while (!Directory.Exists(folder)) folder = Path.GetDirectoryName(folder)!;
        var free = Formats.Storage.LocalFileSystem.Instance.FreeBytes(folder);
        if (free < needed)
            throw new StorageException(
                $"A run would need {Quantity.Bytes(needed)} of disk space, {Quantity.Bytes(free.Value)} are free.",
                folder,
                "Free some space, or give another --output.");
        return $"the run writes about {Quantity.Bytes(needed)}"
            + (free is { } f ? $", {Quantity.Bytes(f)} are free" : "");
    }

    private static string TryOut(RunSetup setup, Trainer trainer, Terminal terminal)
    {
        var before = HostValues.Download(setup.Backend, setup.Adapter.Buffer.Values);
        for (var i = 0; i < Math.Min(DeepSteps, trainer.TotalSteps); i++)
            if (trainer.Step(terminal.Cancellation) is null) throw new OperationCanceledException();
        var after = HostValues.Download(setup.Backend, setup.Adapter.Buffer.Values);
        if (after.AsSpan().SequenceEqual(before))
            throw new NumericException("The adapter's weights did not move in three steps.", null,
                "Raise the learning rate, or look at what is trained.");
        var folder = Path.Combine(Path.GetTempPath(), $"peftnative-check-{Guid.NewGuid():N}");
        try
        {
            AdapterFolder.Save(setup.Adapter, folder);
            using var loaded = AdapterFolder.Load(setup.Model, folder);
            if (!HostValues.Download(setup.Backend, loaded.Buffer.Values).AsSpan().SequenceEqual(after))
                throw new NumericException("The adapter is not the same after saving and loading.", folder,
                    ErrorPrinter.ReportTo);
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        return $"{DeepSteps} steps moved the weights, and saving and loading gave them back; a step takes up to "
            + $"{Quantity.Bytes(trainer.PeakStepBytes)}";
    }
}
