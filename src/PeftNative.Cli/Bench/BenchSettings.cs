using PeftNative.Cli.Options;
using PeftNative.Lab.Benchmarking;
using PeftNative.Lab.Benchmarking.Operations;

namespace PeftNative.Cli.Bench;

/// <summary>What benchmarks can be told.</summary>
internal static class BenchSettings
{
    private static readonly StepBenchmarkOptions Defaults = new();

    private static readonly Setting Hidden = Size("hidden", "Width of the model.", Defaults.Hidden);
    private static readonly Setting Layers = Size("layers", "Number of layers.", Defaults.Layers);
    private static readonly Setting Heads = Size("heads", "Query heads.", Defaults.Heads);
    private static readonly Setting KvHeads = Size("kv_heads", "Key/value heads.", Defaults.KvHeads);
    private static readonly Setting FeedForward =
        Size("ffn", "Width of the feed-forward blocks.", Defaults.FeedForward);
    private static readonly Setting Vocabulary = Size("vocab", "Rows of the vocabulary.", Defaults.Vocabulary);
    private static readonly Setting Batch = Size("batch", "Sequences.", Defaults.Batch);
    private static readonly Setting Sequence = Size("seq", "Tokens per sequence.", Defaults.Sequence);
    private static readonly Setting Rank =
        Size("rank", "Rank, of a method that has one.", Defaults.Rank) with { Least = 0 };
    private static readonly Setting Virtual =
        Size("virtual_tokens", "Virtual tokens, of a method that has some.", Defaults.VirtualTokens);
    private static readonly Setting Budget = new("memory_budget", SettingKind.Whole,
        "MiB for the activations of a step; see train.")
    {
        Least = 1, Most = int.MaxValue, Group = "Model",
    };

    private static readonly Setting Graphs = TrainSettings.Graphs with { Group = "Model" };

    private static readonly Setting Alpha = new("alpha", SettingKind.Number,
        "Its alpha.") { Default = $"{Defaults.Alpha}", Group = "Model" };

    private static readonly Setting Method = new("method", SettingKind.Text, "What is trained.")
    {
        Default = "lora", Choices = MethodSettings.Name.Choices, Group = "Model",
    };

    private static readonly Setting Targets = new("targets", SettingKind.Text,
        "q,k,v,o,gate,up,down or all.") { Default = Defaults.Targets, Group = "Model" };

    /// <summary>A model of files.</summary>
    public static readonly Setting Base = Shared.Model with
    {
        Help = "For bench load: folder of a Hugging Face checkpoint, or a .gguf file.", IsRequired = false,
        Group = "Base",
    };

    /// <summary>Rounds that count.</summary>
    public static readonly Setting Steps = new("steps", SettingKind.Whole,
        "Timed rounds; the median counts.") { Default = $"{Defaults.Steps}", Least = 1 };

    /// <summary>Rounds before them.</summary>
    public static readonly Setting Warmup = new("warmup", SettingKind.Whole,
        "Rounds before them.") { Default = $"{Defaults.Warmup}", Least = 0 };

    /// <summary>Tokens that generation adds.</summary>
    public static readonly Setting NewTokens = new("new_tokens", SettingKind.Whole,
        "Tokens that bench generate adds to a prompt.") { Default = "32", Least = 1 };

    /// <summary>Which cases or laws.</summary>
    public static readonly Setting Filter = new("filter", SettingKind.Text,
        "Only the cases or laws whose name has this in it.");

    /// <summary>Other programs to run in turns.</summary>
    public static readonly Setting Peer = new("peer", SettingKind.Text,
        "For bench table: another program that takes the flags of bench step.")
    {
        ValueName = "NAME=COMMAND", IsRepeatable = true,
    };

    /// <summary>Where the report goes.</summary>
    public static readonly Setting Output = new("output", SettingKind.Text,
        "Write the report, every round included, as JSON.") { ValueName = "FILE.json" };

    /// <summary>Where the table goes.</summary>
    public static readonly Setting Markdown = new("markdown", SettingKind.Text,
        "Write the table as markdown.") { ValueName = "FILE.md" };

    /// <summary>The first of two reports; the second stands behind it.</summary>
    public static readonly Setting Compare = new("compare", SettingKind.Text,
        "Compare two reports: which differences are real.") { ValueName = "A.json B.json" };

    private static readonly Setting[] Model =
        [Hidden, Layers, Heads, KvHeads, FeedForward, Vocabulary, Batch, Sequence, Method, Rank, Alpha, Targets,
            Virtual, Budget, Graphs];

    // Sizes that only single operations have; their defaults are the operation's own.
    private static readonly Setting[] Operation =
    [
        .. OperationBenchmark.All.SelectMany(o => o.Sizes).Select(s => s.Key).Distinct()
            .Where(key => Model.All(s => s.Key != key))
            .Select(key => new Setting(key, SettingKind.Whole, "Size of a single operation.") { Least = 0,
                Group = "Operation" }),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Setting> All =>
        [.. Model, Base, .. QuantizationSettings.All, .. Operation, Steps, Warmup, NewTokens, Filter, Peer, Output,
            Markdown, Compare, .. Shared.Machine];

    /// <summary>The model and its step.</summary>
    public static StepBenchmarkOptions StepOptions(SettingValues values) => new()
    {
        Hidden = values.Int(Hidden), Layers = values.Int(Layers), Heads = values.Int(Heads),
        KvHeads = values.Int(KvHeads),
        FeedForward = values.Int(FeedForward), Vocabulary = values.Int(Vocabulary), Batch = values.Int(Batch),
        Sequence = values.Int(Sequence), Method = values.Text(Method), Rank = values.Int(Rank),
        Alpha = values.Number(Alpha),
        Targets = values.Text(Targets), VirtualTokens = values.Int(Virtual),
        MemoryBudgetBytes = values.Node(Budget) is null
            ? null : values.Whole(Budget) << 20, UseGraphs = values.Text(Graphs) == "on",
        Quantization = QuantizationSettings.Read(values), Steps = values.Int(Steps), Warmup = values.Int(Warmup),
    };

    /// <summary>The sizes of an operation: those given, else its own defaults.</summary>
    public static Func<string, int> Sizes(SettingValues values, OperationBenchmark operation) => key =>
    {
        var setting = Model.Concat(Operation).First(s => s.Key == key);
        return values.Has(setting) ? values.Int(setting) : operation.Sizes.First(s => s.Key == key).Default;
    };

    private static Setting Size(string key, string help, int value) =>
        new(key, SettingKind.Whole, help) { Default = $"{value}", Least = 1, Group = "Model" };
}
