using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Training.Loop;

namespace PeftNative.Lab.Benchmarking;

/// <summary>
/// Times the training loop as it is used: a <see cref="Trainer"/> that loads batches of sequences of many lengths, one
/// sequence after the other and packed into rows, in turns.
/// </summary>
internal static class TrainBenchmark
{
    /// <summary>Measures a step of each way; tokens are the mean per step.</summary>
    public static IReadOnlyList<Measurement> Measure(TransformerModel model, StepBenchmarkOptions options,
        CancellationToken cancellation)
    {
        var data = EncodedData.Of(Examples(options));
        using var plainAdapter = options.AdapterConfig().Create(model, seed: 1, trainable: true, "plain");
        using var packedAdapter = options.AdapterConfig().Create(model, seed: 1, trainable: true, "packed");
        var settings = new TrainerOptions { BatchSize = options.Batch, MaxSteps = int.MaxValue / 2,
            UseGraphs = options.UseGraphs };
        using var plain = new Trainer(model, plainAdapter, data, null, settings);
        using var packed = new Trainer(model, packedAdapter, data, null,
            settings with { PackingBudget = options.Sequence });
        return Measure([("train, a sequence per row", plain), ("train, rows packed", packed)], options, cancellation);
    }

    private static IReadOnlyList<Measurement> Measure(
        (string Name, Trainer Trainer)[] ways, StepBenchmarkOptions options, CancellationToken cancellation)
    {
        var tokens = new long[ways.Length];
        var times = Measurement.Interleave(
            [.. ways.Select<(string, Trainer Trainer), Action>((w, i) => () => tokens[i] += w.Trainer.Step()!.Tokens)],
            options.Warmup, options.Steps, cancellation);
        return [.. ways.Select((w, i) => new Measurement(w.Name,
            times[i]) { Tokens = tokens[i] / (double)(options.Warmup + options.Steps) })];
    }

    // Lengths as texts have them: many short, few long.
    private static List<Example> Examples(StepBenchmarkOptions options)
    {
        const int Count = 256;
        var random = new RandomStream(1, RandomPurpose.SyntheticData, 1);
        int[] lengths = [.. Enumerable.Range(0, Count)
            .Select(i => Math.Max(2, (int)(options.Sequence * Math.Pow(random.UniformDouble((ulong)i), 2))))];
        var tokens = StepRun.RandomBatch(options.Vocabulary, lengths);
        return [.. lengths.Select((_, s) => tokens.Tokens[tokens.Offsets[s]..tokens.Offsets[s + 1]])
            .Select((ids, s) => new Example { Ids = ids, Labels = ids,
                Origin = new RecordOrigin("synthetic", s + 1) })];
    }
}
