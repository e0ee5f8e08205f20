using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Steps;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Lab.Benchmarking;

/// <summary>
/// Times both halves of generation: prefill, one pass over a prompt with room in a key/value cache, and decode, passes
/// over one new token per sequence. Decode must read every weight once per pass, so its limit is the memory; that of
/// prefill is arithmetic.
/// </summary>
internal sealed class GenerateBenchmark(TransformerModel model, StepBenchmarkOptions options, int newTokens)
{
    private readonly float[] scores = new float[options.Batch * model.Head.Width];

    /// <summary>Measures prefill and decode of each variant, in turns.</summary>
    /// <param name="variants">Names, and the adapters in force.</param>
    /// <param name="peaks">What rates are related to; null on hardware that is not the processor.</param>
    /// <param name="cancellation">Stops the work.</param>
    public IReadOnlyList<Measurement> Measure(IReadOnlyList<(string Name, Adapter[] Adapters)> variants,
        MachinePeaks? peaks, CancellationToken cancellation)
    {
        var decode = variants.Select(_ => new List<double>()).ToArray();
        ModelRun[] runs = [.. variants.Select(v => new ModelRun(model, v.Adapters))];
        var prompt = StepRun.RandomBatch(options);
        var prefill = Measurement.Interleave([.. runs.Select<ModelRun, Action>((run, v) => () => Prefill(run, prompt))],
            options.Warmup, options.Steps, cancellation);
        for (var round = -options.Warmup; round < options.Steps; round++)
            for (var v = 0; v < runs.Length; v++)
            {
                cancellation.ThrowIfCancellationRequested();
                var time = Decode(runs[v], prompt);
                if (round >= 0) decode[v].Add(time);
            }
        foreach (var run in runs) run.Dispose();
        return [.. variants.SelectMany((v, i) => new[] { OfPrefill(v.Name, prefill[i], peaks),
            OfDecode(v.Name, decode[i], peaks) })];
    }

    private Measurement OfPrefill(string name, double[] times, MachinePeaks? peaks) => new($"prefill {name}", times)
    {
        Tokens = options.Batch * options.Sequence, Operations = 2.0 * options.Batch * options.Sequence * LayerWeights(),
        Peak = peaks is null ? 0 : model.Backend.ComputeType == DType.BFloat16 ? peaks.Bf16 : peaks.Fp32,
    };

    private Measurement OfDecode(string name, List<double> times, MachinePeaks? peaks) => new($"decode {name}", times)
    {
        Tokens = options.Batch, Bytes = (LayerWeights() + model.Head.Output!.Weight.Count)
            * (double)model.Backend.ComputeType.Size(), Peak = peaks?.Reading ?? 0,
    };

    // The matrices of the layers; the head works on one row of a prompt only, and of the embeddings a row is read.
    private double LayerWeights() =>
        model.Linears.Where(l => l.Role != ModuleRole.Head).Sum(l => (double)l.Weight.Count);

    private void Prefill(ModelRun run, TokenBatch prompt)
    {
        using var cache = new KvCache(model.Backend, model.Config, options.Batch, options.Sequence + newTokens);
        run.Cache = cache;
        Scores(run, prompt);
        run.Cache = null;
    }

    // Milliseconds per pass over one new token of each sequence.
    private double Decode(ModelRun run, TokenBatch prompt)
    {
        using var cache = new KvCache(model.Backend, model.Config, options.Batch, options.Sequence + newTokens);
        run.Cache = cache;
        Scores(run, prompt);
        var next = StepRun.RandomBatch(options.Vocabulary, [.. Enumerable.Repeat(1, options.Batch)]);
        var time = Measurement.Interleave([() => Scores(run, next)], warmup: 0, newTokens)[0].Average();
        run.Cache = null;
        return time;
    }

    private void Scores(ModelRun run, TokenBatch batch)
    {
        run.Forward(batch);
        int[] rows = [.. Enumerable.Range(0, batch.SequenceCount).Select(s => run.Rows.Offsets[s + 1] - 1)];
        HostValues.Download(model.Backend, run.Scores(rows), scores);
    }
}
