using PeftNative.Models.Loading;
using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking;

/// <summary>What a step benchmark measured.</summary>
/// <param name="Trainable">Trained values.</param>
/// <param name="StepMilliseconds">Median wall time of a step: forward, backward, update.</param>
/// <param name="TokensPerSecond">Tokens by the median.</param>
/// <param name="PeakResidentMegabytes">Largest resident set of the process, in MiB; 0 where the system does not
/// tell.</param>
/// <param name="PeakDeviceMegabytes">Memory held from the backend by weights, steps, adapter and optimizer, in
/// MiB.</param>
/// <param name="Loss">Loss of the last step.</param>
public sealed record StepBenchmarkResult(
    long Trainable, double StepMilliseconds, double TokensPerSecond, long PeakResidentMegabytes,
    long PeakDeviceMegabytes, double Loss)
{
    /// <summary>Wall time of each timed step, in milliseconds.</summary>
    public IReadOnlyList<double> Rounds { get; init; } = [];

    /// <summary>Managed bytes that a step allocates on average.</summary>
    public long AllocatedBytesPerStep { get; init; }

    /// <summary>Steps, those of the warm-up included, that were replayed as a graph of the device.</summary>
    public long ReplayedSteps { get; init; }
}

/// <summary>
/// Times whole training steps of a model made up on the spot, with the flags of the peers this project is measured
/// against.
/// </summary>
public static class StepBenchmark
{
    /// <summary>Runs the steps on a backend.</summary>
    /// <exception cref="UsageException">An option makes no sense.</exception>
    public static StepBenchmarkResult Run(IBackend backend, StepBenchmarkOptions options,
        CancellationToken cancellation = default)
    {
        using var model = ModelLoader.CreateRandom(backend, options.ModelConfig(), seed: 1, options.Quantization,
            cancellation);
        using var run = new StepRun(model, options.AdapterConfig(), StepRun.RandomBatch(options),
            memoryBudget: options.MemoryBudgetBytes, ownsModel: true)
        {
            UseGraphs = options.UseGraphs,
        };
        for (var i = 0; i < options.Warmup; i++) run.Step();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var times = Measurement.Interleave([run.Step], warmup: 0, options.Steps, cancellation)[0];
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var median = new Measurement("step", times).Median;
        return new StepBenchmarkResult(run.Adapter.ParameterCount, median, run.Tokens * 1000.0 / median,
            MachineDescription.PeakResidentBytes() >> 20,
            run.HeldBytes >> 20, run.Loss) { Rounds = times, AllocatedBytesPerStep = allocated / options.Steps,
            ReplayedSteps = run.Replayed };
    }
}
