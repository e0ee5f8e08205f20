using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Data.Batching;
using PeftNative.Models.Config;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Training.Loop;
using PeftNative.Training.Optimization;
using PeftNative.Training.Schedules;

namespace PeftNative.Cli.Options;

/// <summary>
/// Settings of a training run, under the names of transformers' TrainingArguments where these have one.
/// </summary>
internal static class TrainSettings
{
    public static readonly Setting Output = new("output", SettingKind.Text,
        "Folder for adapter, checkpoints, log and report. Default MODEL-METHOD.")
    {
        ValueName = "DIR", Aliases = ["output_dir", "adapter_path", "out_dir"], Group = "What",
    };

    public static readonly Setting Adapter = new("adapter", SettingKind.Text,
        "Folder of a saved adapter to go on training: its method and settings, this data, a new run.")
    {
        ValueName = "DIR", Aliases = ["adapter_name_or_path"], Group = "What",
    };

    public static readonly Setting MergeAdapter = new("merge_adapter", SettingKind.Text,
        "Adapter to add into the base first, with :SCALE to weigh it; may be given several times.")
    {
        ValueName = "DIR[:SCALE]", Group = "What", IsRepeatable = true,
    };

    public static readonly Setting Epochs = Number("epochs", "Passes over the data.", "3", "num_train_epochs",
        "num_epochs") with { Least = 1e-6 };

    public static readonly Setting MaxSteps =
        Whole("max_steps", "Optimizer steps, instead of epochs.", null, "iters") with { Least = 1 };

    public static readonly Setting Accumulation =
        Whole("gradient_accumulation_steps", "Batches per optimizer step.", "1") with { Least = 1 };

    public static readonly Setting LearningRate = Number("learning_rate",
        $"Highest rate. {UsualRatesText()}", null, "lr") with { Least = 0 };

    public static readonly Setting FindRate = new("find_rate", SettingKind.Switch,
        "Try several rates for some steps each, less than a quarter of the run in all, and train with the best.")
    {
        Group = "Training",
    };

    public static readonly Setting Scheduler = new("lr_scheduler", SettingKind.Text, "How the rate changes.")
    {
        Default = "linear", Aliases = ["lr_scheduler_type"], Choices = LearningRateSchedule.Names, ValueName = "NAME",
        Group = "Training",
    };

    public static readonly Setting SchedulerArguments = new("lr_scheduler_kwargs", SettingKind.Map,
        "The schedule's own settings.") { Group = "Training" };

    public static readonly Setting WarmupRatio =
        Number("warmup_ratio", "Share of the steps with a rising rate.", "0") with { Least = 0, Most = 1 };

    public static readonly Setting WarmupSteps =
        Whole("warmup_steps", "Steps with a rising rate, instead of the share.", null) with { Least = 0 };

    public static readonly Setting WeightDecay =
        Number("weight_decay", "AdamW's decoupled decay.", "0") with { Least = 0 };

    public static readonly Setting ClassWeight = new("class_weight", SettingKind.Text,
        "Factors on the loss of labels, the others having 1; balanced: every label weighs the same in sum.")
    {
        ValueName = "NAME=X", Aliases = ["class_weights"], Group = "Training",
    };

    public static readonly Setting Beta1 = Number("adam_beta1", "AdamW.", "0.9") with { Least = 0, Most = 1 };

    public static readonly Setting Beta2 = Number("adam_beta2", "AdamW.", "0.999") with { Least = 0, Most = 1 };

    public static readonly Setting Epsilon = Number("adam_epsilon", "AdamW.", "1e-8") with { Least = 0 };

    public static readonly Setting MaxGradientNorm =
        Number("max_grad_norm", "Gradients are clipped to this norm.", "1") with { Least = 0 };

    public static readonly Setting GroupByLength = new("group_by_length", SettingKind.Switch,
        "Batches of texts of similar length.") { Group = "Training" };

    public static readonly Setting OnNan = new("on_nan", SettingKind.Text, "What to do when a number is not finite.")
    {
        Default = "stop", Choices = ["stop", "skip"], Group = "Training",
    };

    public static readonly Setting FrozenCache = Whole("frozen_layer_cache_mb",
        "Memory for outputs of layers below the lowest trained one, which are then computed in the first epoch only; 0 "
            + "for none.", "1024") with { Least = 0 };

    public static readonly Setting MemoryBudget = Whole("memory_budget",
        "MiB that a step's activations should stay within; layers beyond that are computed again in the backward. "
            + "Default no limit.", null) with { Least = 1 };

    public static readonly Setting Graphs = new("graphs", SettingKind.Text,
        "Whether batches of a layout that has come before are replayed as one graph of the device (CUDA); the results "
            + "are the same bits.")
    {
        Default = "on", Choices = ["on", "off"], Group = "Training",
    };

    public static readonly Setting EvalSteps =
        Saving("eval_steps", "Steps between evaluations. Default an epoch.", null);

    public static readonly Setting SaveSteps =
        Saving("save_steps", "Steps between checkpoints, 0 for none. Default an epoch.", null) with { Least = 0 };

    public static readonly Setting SaveLimit =
        Saving("save_total_limit", "Checkpoints kept besides the best adapter.", "2");

    public static readonly Setting LoggingSteps =
        Saving("logging_steps", "Steps between lines where no live line can be shown.", "10");

    public static readonly Setting Metric = new("metric", SettingKind.Text,
        "What decides which adapter is best: loss, accuracy, ...")
    {
        Default = "loss", Aliases = ["metric_for_best_model"], ValueName = "NAME", Group = Save,
    };

    public static readonly Setting Patience =
        Saving("early_stopping_patience", "Evaluations without improvement that end the run.", null);

    public static readonly Setting MinDelta = new("early_stopping_min_delta", SettingKind.Number,
        "The least improvement that counts.")
    {
        Default = "0", Least = 0, Group = Save,
    };

    public static readonly Setting TuneThresholds = new("tune_thresholds", SettingKind.Switch,
        "Records with several labels: find the probability from which each label counts, for its best F1 on the data "
            + "to evaluate on; predict then goes by it.") { Group = Save };

    public static readonly Setting ReportTo = new("report_to", SettingKind.Names,
        "Also write the numbers for others: tensorboard leaves event files in the folder runs.")
    {
        ValueName = "NAME", Group = Save,
    };

    public static readonly Setting Resume = new("resume", SettingKind.Text,
        "auto goes on from the newest checkpoint of the output folder.")
    {
        Default = "auto", ValueName = "auto|never|PATH", Aliases = ["resume_from_checkpoint"], Group = Save,
    };

    private const string Save = "Evaluating and saving";

    /// <summary>
    /// What a run is: another value makes another adapter. All of these must be as before when a run goes on.
    /// </summary>
    public static readonly Setting[] Defining =
    [
        Shared.Model, DataSettings.Data, DataSettings.ValSize, Adapter, MergeAdapter, MethodSettings.Name,
        .. MethodSettings.Keys,
        .. QuantizationSettings.All,
        .. DataSettings.Reading, DataSettings.Packing, DataSettings.PackingStrategy, Epochs, MaxSteps,
        DataSettings.BatchSize, Accumulation, LearningRate, Scheduler, SchedulerArguments, WarmupRatio, WarmupSteps,
        WeightDecay, ClassWeight,
        Beta1, Beta2, Epsilon, MaxGradientNorm, GroupByLength, Shared.Seed,
    ];

    /// <summary>All settings of a run.</summary>
    public static readonly Setting[] All =
    [
        Shared.Model, DataSettings.Data, DataSettings.EvalData, DataSettings.ValSize, Output, Adapter, MergeAdapter,
        MethodSettings.Name,
        .. MethodSettings.Keys, .. QuantizationSettings.All,
        .. DataSettings.Reading, DataSettings.Packing, DataSettings.PackingStrategy, DataSettings.BatchSize,
        Accumulation, Epochs, MaxSteps, LearningRate, FindRate, Scheduler, SchedulerArguments, WarmupRatio,
        WarmupSteps, WeightDecay, ClassWeight, Beta1, Beta2, Epsilon, MaxGradientNorm, GroupByLength, OnNan,
        FrozenCache, MemoryBudget, Graphs,
        Shared.Seed with { Group = "Training" }, EvalSteps, SaveSteps, SaveLimit, LoggingSteps, Metric, Patience,
        MinDelta, TuneThresholds, ReportTo, Resume, .. Shared.Machine,
    ];

    /// <summary>
    /// The settings that are written beside the adapter: all but how the run begins, and how its rate was found.
    /// </summary>
    public static IEnumerable<Setting> Recorded => All.Where(s => s != Resume && s != FindRate);

    /// <summary>The options of the trainer; kind and width of the model decide a rate that nobody named.</summary>
    public static TrainerOptions ToOptions(SettingValues values, TransformerConfig model) => new()
    {
        Epochs = values.Number(Epochs), MaxSteps = OptionalInt(values, MaxSteps),
        BatchSize = values.Int(DataSettings.BatchSize),
        GradientAccumulationSteps = values.Int(Accumulation),
        LearningRate = values.OptionalNumber(LearningRate) ?? MethodSettings.Of(values).TrainRates.Of(model),
        LrScheduler = values.Text(Scheduler),
        ScheduleArguments = values.Node(SchedulerArguments) is JsonObject map ? ScheduleArguments.FromJson(map) : null,
        WarmupRatio = values.Number(WarmupRatio), WarmupSteps = OptionalInt(values, WarmupSteps),
        Optimizer = new AdamWOptions
        {
            Beta1 = values.Number(Beta1), Beta2 = values.Number(Beta2), Epsilon = values.Number(Epsilon),
            WeightDecay = values.Number(WeightDecay), MaxGradientNorm = values.Number(MaxGradientNorm),
        },
        Seed = (ulong)values.Whole(Shared.Seed),
        Order = values.Switch(GroupByLength) ? SamplingOrder.GroupedByLength : SamplingOrder.Shuffled,
        FrozenLayerCacheBytes = values.Whole(FrozenCache) << 20,
        MemoryBudgetBytes = values.Node(MemoryBudget) is null ? null : values.Whole(MemoryBudget) << 20,
        UseGraphs = values.Text(Graphs) == "on",
        EvalSteps = OptionalInt(values, EvalSteps), SaveSteps = OptionalInt(values, SaveSteps),
        SaveTotalLimit = values.Int(SaveLimit),
        BestMetric = values.Text(Metric), EarlyStoppingPatience = OptionalInt(values, Patience),
        EarlyStoppingMinDelta = values.Number(MinDelta), TuneThresholds = values.Switch(TuneThresholds),
        OnNan = values.Text(OnNan) == "skip" ? Training.Loop.OnNan.Skip : Training.Loop.OnNan.Stop,
    };

    /// <summary>Refuses what has no effect without data to evaluate on; defaults written out in a file do.</summary>
    /// <exception cref="UsageException">Something of that kind was given.</exception>
    public static void RefuseEvaluation(SettingValues values) => values.Refuse(
        new[] { EvalSteps, Metric, Patience, MinDelta, TuneThresholds }.Where(s => values.Has(s)
            && !JsonNode.DeepEquals(values.Node(s), s.DefaultValue)),
        "without data to evaluate on", "give --eval_data or --val_size");

    /// <summary>Whether the numbers of a run are to be written for TensorBoard.</summary>
    /// <exception cref="UsageException">Something else was asked for.</exception>
    public static bool ReportsToTensorBoard(SettingValues values)
    {
        var asked = values.Texts(ReportTo);
        foreach (var other in asked.Except(["tensorboard", "none"]))
            throw new UsageException($"A run cannot report to '{other}'.", values.OriginOf(ReportTo),
                "Give tensorboard or none; log.jsonl has everything for other programs.");
        return asked.Contains("tensorboard");
    }

    private static string UsualRatesText()
    {
        var groups = Methods.All.GroupBy(m => m.TrainRates).Select(g =>
            $"{string.Join(", ", g.SelectMany(m => m.Names))} {Text(g.Key)}");
        return $"Default by method and width; of encoders (decoders) {UsualRates.Width} wide: "
            + $"{string.Join("; ", groups)}.";

        static string Text(UsualRates rates) => Quantity.Number(rates.Encoder)
            + (rates.Encoder == rates.Decoder ? "" : $" ({Quantity.Number(rates.Decoder)})");
    }

    private static int? OptionalInt(SettingValues values, Setting setting) => values.Node(setting) is null
        ? null : values.Int(setting);

    private static Setting Number(string key, string help, string? value, params string[] aliases) =>
        new(key, SettingKind.Number, help) { Default = value, Aliases = aliases, Group = "Training" };

    private static Setting Whole(string key, string help, string? value, params string[] aliases) =>
        new(key, SettingKind.Whole, help) { Default = value, Aliases = aliases, Group = "Training",
            Most = int.MaxValue };

    private static Setting Saving(string key, string help, string? value) =>
        new(key, SettingKind.Whole, help) { Default = value, Group = Save, Least = 1, Most = int.MaxValue };
}
