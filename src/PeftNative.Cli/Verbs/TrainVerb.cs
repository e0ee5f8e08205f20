using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;

namespace PeftNative.Cli.Verbs;

/// <summary>Trains an adapter.</summary>
internal sealed class TrainVerb : Verb
{
    public override string Name => "train";

    public override string Summary => "trains an adapter for a model on a data file";

    public override string Example => """
        peftnative train --model minilm --data sst2-train.jsonl --eval_data sst2-dev.jsonl --output sst2-lora \
          --method lora --r 8 --lora_alpha 16 --target_modules query,value \
          --epochs 4 --batch_size 32 --learning_rate 2e-3 --warmup_ratio 0.06 --weight_decay 0.01
        """;

    public override string Notes => """
        --model and --data are enough. Ctrl-C saves a checkpoint; the same command goes on. The output folder gets
        the adapter, best/, checkpoint-N/, log.jsonl, report.html. --adapter goes on training a saved adapter.
        """;

    public override IReadOnlyList<Setting> Settings => TrainSettings.All;

    public override int Run(SettingValues values, Terminal terminal)
    {
        values.Add(TrainSettings.Output, DefaultOutput(values), "chosen");
        using var setup = RunSetup.Prepare(values, terminal, forTraining: true);
        return new TrainingRun(setup, values, terminal).Run();
    }

    private static string DefaultOutput(SettingValues values)
    {
        if (values.OptionalText(TrainSettings.Adapter) is { } adapter) return RunOrigin.DefaultOutput(adapter);
        var model = Path.TrimEndingDirectorySeparator(Path.GetFullPath(values.Text(Shared.Model)));
        return $"{Path.GetFileName(model)}-{values.Text(MethodSettings.Name)}";
    }
}
