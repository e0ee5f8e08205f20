using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft.Baselines;

namespace PeftNative.Lab.Benchmarking;

/// <summary>How the time of a step grows with one thing, and whether that is what is promised.</summary>
/// <param name="Law">The law in words.</param>
/// <param name="Found">What was measured.</param>
/// <param name="Holds">Whether it holds.</param>
/// <param name="Measurements">The measurements behind it.</param>
internal sealed record GrowthResult(string Law, string Found, bool Holds, IReadOnlyList<Measurement> Measurements);

/// <summary>
/// Fits the laws by which the time of a training step grows. The steps of a law run in turns on one model, so what the
/// machine does meanwhile hits them alike.
/// </summary>
internal sealed class GrowthBenchmark(IBackend backend, StepBenchmarkOptions options)
{
    private const double LinearWithin = 0.10;

    /// <summary>Every law by its name.</summary>
    public IReadOnlyList<(string Name, Func<GrowthResult> Run)> Laws =>
    [
        ("tokens", Tokens), ("layers", Layers), ("rank", Rank), ("targets", Targets), ("prompt", Prompt),
        ("prefix", Prefix), ("padding", Padding), ("labels", Labels),
        ("frozen", Frozen),
    ];

    private GrowthResult Tokens()
    {
        int[] batches = [1, 2, 4, 8];
        var times = OnOneModel(
            [.. batches.Select(b => Contestant($"{b * options.Sequence} tokens", options with { Batch = b }))]);
        return Linear("linear in tokens", [.. batches.Select(b => (double)b * options.Sequence)], times);
    }

    private GrowthResult Layers()
    {
        int[] layers = [Math.Max(1, options.Layers / 4), Math.Max(2, options.Layers / 2), Math.Max(3, options.Layers)];
        TransformerModel[] models = [.. layers.Select(l => NewModel(options with { Layers = l }))];
        StepRun[] runs = [.. models.Select(m => new StepRun(m, options.AdapterConfig(), StepRun.RandomBatch(options)))];
        var times = Time(runs, [.. layers.Select(l => $"{l} layers")]);
        foreach (var run in runs) run.Dispose();
        foreach (var model in models) model.Dispose();
        return Linear("linear in layers", [.. layers.Select(l => (double)l)], times);
    }

    private GrowthResult Rank() => AtMost("rank 64 against rank 8", 1.13,
        Contestant("rank 8", options with { Rank = 8, Targets = "all" }),
        Contestant("rank 64", options with { Rank = 64, Targets = "all" }));

    private GrowthResult Targets() => AtMost("all-linear against q,v", 1.12,
        Contestant("q,v", options with { Targets = "q,v" }),
        Contestant("all-linear", options with { Targets = "all" }));

    // Every virtual token is one more row; the head works on no more rows than before.
    private GrowthResult Prompt() => AtMost($"{VirtualTokens} prompt tokens against none: at most by the rows they add",
        (1 + VirtualTokens / (double)options.Sequence) * (1 + LinearWithin),
        Contestant("1 prompt token", options with { Method = "prompt", VirtualTokens = 1 }),
        Contestant($"{VirtualTokens} prompt tokens",
            options with { Method = "prompt", VirtualTokens = VirtualTokens }));

    // A prefix adds keys to attention and no rows: 4 layers · heads · rows · prefix · width multiplications beside
    // those of the weights.
    private GrowthResult Prefix() =>
        AtMost($"{VirtualTokens} prefix rows against one: at most by the attention they add",
            1 + PrefixShare() + LinearWithin,
        Contestant("1 prefix row", options with { Method = "prefix", VirtualTokens = 1 }),
        Contestant($"{VirtualTokens} prefix rows", options with { Method = "prefix", VirtualTokens = VirtualTokens }));

    private GrowthResult Padding()
    {
        int[] mixed = [options.Sequence, options.Sequence / 2, options.Sequence / 4, options.Sequence / 4];
        var packed = (Name: "sequences of four lengths", StepRun: (Func<TransformerModel, StepRun>)(m =>
            new StepRun(m, options.AdapterConfig(), StepRun.RandomBatch(options.Vocabulary, mixed))));
        return AtMost("sequences of different lengths against as many tokens in equal ones", 1.03,
            Contestant("two equal sequences", options with { Batch = 2 }), packed);
    }

    private GrowthResult Labels()
    {
        var batch = StepRun.RandomBatch(options);
        return AtMost("a quarter of the tokens labelled against all", 0.85,
            ("all labelled", m => new StepRun(m, options.AdapterConfig(), batch)),
            ("a quarter labelled", m => new StepRun(m, options.AdapterConfig(), batch, labelEvery: 4)));
    }

    // From the second epoch on, what frozen layers make of a sequence is read instead of computed.
    private GrowthResult Frozen()
    {
        var top = new TopLayersConfig { LayerCount = Math.Max(1, options.Layers / 6) };
        var batch = StepRun.RandomBatch(options);
        return AtMost($"the upper {top.LayerCount} layers trained with the lower ones kept from the epoch before",
            1 / 1.5,
            ("computed", m => new StepRun(m, top, batch)),
            ("kept", m => new StepRun(m, top, batch, keepsFrozenLayers: true)));
    }

    private int VirtualTokens => Math.Max(2, options.Sequence / 4);

    private double PrefixShare()
    {
        var weights = options.Hidden * (2.0 * options.Hidden * (1 + options.KvHeads / (double)options.Heads)
            + 3.0 * options.FeedForward);
        return 2.0 * VirtualTokens * options.Hidden * 7 / 4 / weights;
    }

    private static (string Name, Func<TransformerModel, StepRun> Make) Contestant(string name,
        StepBenchmarkOptions options) =>
        (name, model => new StepRun(model, options.AdapterConfig(), StepRun.RandomBatch(options)));

    private GrowthResult AtMost(string law, double most,
        params (string Name, Func<TransformerModel, StepRun> Make)[] contestants)
    {
        var times = OnOneModel(contestants);
        var ratio = times[1].Median / times[0].Median;
        return new GrowthResult($"{law}: at most {most:0.00} times", $"{ratio:0.000} times", ratio <= most, times);
    }

    private IReadOnlyList<Measurement> OnOneModel((string Name, Func<TransformerModel, StepRun> Make)[] contestants)
    {
        using var model = NewModel(options);
        StepRun[] runs = [.. contestants.Select(c => c.Make(model))];
        var times = Time(runs, [.. contestants.Select(c => c.Name)]);
        foreach (var run in runs) run.Dispose();
        return times;
    }

    private TransformerModel NewModel(StepBenchmarkOptions sizes) =>
        ModelLoader.CreateRandom(backend, sizes.ModelConfig() with { MaxPositions = 4 * sizes.Sequence }, seed: 1);

    private IReadOnlyList<Measurement> Time(StepRun[] runs, string[] names)
    {
        var times = Measurement.Interleave([.. runs.Select<StepRun, Action>(r => r.Step)], options.Warmup,
            options.Steps);
        return [.. names.Select((name, i) => new Measurement(name, times[i]) { Tokens = runs[i].Tokens })];
    }

    // Least squares on the medians: linear when no point lies further from the line than a tenth.
    private static GrowthResult Linear(string law, double[] x, IReadOnlyList<Measurement> times)
    {
        double[] y = [.. times.Select(t => t.Median)];
        var (mx, my) = (x.Average(), y.Average());
        var slope = x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum() / x.Sum(a => (a - mx) * (a - mx));
        var start = my - slope * mx;
        var worst = x.Zip(y, (a, b) => Math.Abs(b / (start + slope * a) - 1)).Max();
        return new GrowthResult($"{law}: no point further from the line than {LinearWithin:P0}",
            $"{slope:0.0000} ms each and {start:0.0} ms besides; furthest point {worst:P1}",
            worst <= LinearWithin, times);
    }
}
