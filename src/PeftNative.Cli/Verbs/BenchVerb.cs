using System.Text.Json.Nodes;
using PeftNative.Benchmarking;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;

namespace PeftNative.Cli.Verbs;

/// <summary>Times what the engine does on this machine.</summary>
internal sealed class BenchVerb : Verb
{
    private static readonly Setting What = new("what", SettingKind.Text, "What to time: step, a whole training step.")
    {
        ValueName = "step", IsRequired = true, Choices = ["step"],
    };

    private static readonly StepBenchmarkOptions Defaults = new();

    private static readonly Setting Hidden = Size("hidden", "Width of the model.", Defaults.Hidden);
    private static readonly Setting Layers = Size("layers", "Number of layers.", Defaults.Layers);
    private static readonly Setting Heads = Size("heads", "Query heads.", Defaults.Heads);
    private static readonly Setting KvHeads = Size("kv_heads", "Key/value heads.", Defaults.KvHeads);
    private static readonly Setting FeedForward = Size("ffn", "Width of the feed-forward blocks.", Defaults.FeedForward);
    private static readonly Setting Vocabulary = Size("vocab", "Rows of the vocabulary.", Defaults.Vocabulary);
    private static readonly Setting Batch = Size("batch", "Sequences.", Defaults.Batch);
    private static readonly Setting Sequence = Size("seq", "Tokens per sequence.", Defaults.Sequence);
    private static readonly Setting Rank = Size("rank", "LoRA's rank.", Defaults.Rank);
    private static readonly Setting Steps = Size("steps", "Timed steps; the median counts.", Defaults.Steps);
    private static readonly Setting Warmup = new("warmup", SettingKind.Whole, "Steps before them.") { Default = $"{Defaults.Warmup}", Least = 0 };

    private static readonly Setting Alpha = new("alpha", SettingKind.Number, "LoRA's alpha.") { Default = $"{Defaults.Alpha}" };

    private static readonly Setting Method = new("method", SettingKind.Text, "What is trained.") { Default = "lora", Choices = ["lora", "full"] };

    private static readonly Setting Targets = new("targets", SettingKind.Text, "q,k,v,o,gate,up,down or all.") { Default = Defaults.Targets };

    public override string Name => "bench";

    public override string Summary => "times a training step of a model made up on the spot";

    public override string Example => "peftnative bench step --hidden 768 --layers 12 --targets q,v --steps 7";

    public override Setting Argument => What;

    public override IReadOnlyList<Setting> Settings =>
    [
        Hidden, Layers, Heads, KvHeads, FeedForward, Vocabulary, Batch, Sequence, Method, Rank, Alpha, Targets, Steps, Warmup, .. Shared.Machine,
    ];

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        var options = new StepBenchmarkOptions
        {
            Hidden = values.Int(Hidden), Layers = values.Int(Layers), Heads = values.Int(Heads), KvHeads = values.Int(KvHeads),
            FeedForward = values.Int(FeedForward), Vocabulary = values.Int(Vocabulary), Batch = values.Int(Batch),
            Sequence = values.Int(Sequence), Method = values.Text(Method), Rank = values.Int(Rank), Alpha = values.Number(Alpha),
            Targets = values.Text(Targets), Steps = values.Int(Steps), Warmup = values.Int(Warmup),
        };
        var result = StepBenchmark.Run(backend, options);
        terminal.Object(new JsonObject
        {
            ["peer"] = "peftnative", ["backend"] = backend.Name, ["method"] = options.Method, ["dtype"] = values.Text(Shared.DType),
            ["targets"] = options.Targets, ["trainable"] = result.Trainable, ["step_ms"] = Math.Round(result.StepMilliseconds, 1),
            ["tokens_per_s"] = Math.Round(result.TokensPerSecond), ["peak_rss_mb"] = result.PeakResidentMegabytes,
            ["peak_device_mb"] = result.PeakDeviceMegabytes, ["loss"] = Math.Round(result.Loss, 4),
        });
        terminal.Line($"backend     {backend.Description}");
        terminal.Line($"step        {result.StepMilliseconds:0.0} ms (median of {options.Steps}), {result.TokensPerSecond:0} tokens/s");
        terminal.Line($"memory      {result.PeakResidentMegabytes} MiB resident at most, {result.PeakDeviceMegabytes} MiB held by the engine");
        terminal.Line($"trainable   {result.Trainable:N0} values");
        return 0;
    }

    private static Setting Size(string key, string help, int value) => new(key, SettingKind.Whole, help) { Default = $"{value}", Least = 1 };
}
