using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>A size of an operation that a user may choose.</summary>
/// <param name="Key">Its flag, with underscores.</param>
/// <param name="Default">The value when none is chosen.</param>
internal sealed record OperationSize(string Key, int Default);

/// <summary>One direction of an operation, ready to run again and again.</summary>
/// <param name="Direction">forward, backward or run.</param>
/// <param name="Run">Runs it once; on a device it may return before the work is done.</param>
internal sealed record OperationCall(string Direction, Action Run)
{
    /// <summary>Floating-point operations; 0 where memory sets the limit.</summary>
    public double Operations { get; init; }

    /// <summary>Bytes to read and write; 0 where arithmetic sets the limit.</summary>
    public double Bytes { get; init; }

    /// <summary>Whether the operations are on codes of 8 bits.</summary>
    public bool OnCodes { get; init; }
}

/// <summary>
/// An operation to be timed. A new one is a file with a subclass (the stem of its record in <c>Ops</c>) and its name in
/// <see cref="All"/>; it is then known to <c>peftnative bench op</c>, and one more line makes it a BenchmarkDotNet
/// class.
/// </summary>
internal abstract class OperationBenchmark
{
    /// <summary>Every operation, by the name of the command line.</summary>
    public static IReadOnlyList<OperationBenchmark> All { get; } =
    [
        new LinearBenchmark(), new LinearOfCodesBenchmark(), new DoraBenchmark(), new AttentionBenchmark(),
        new RopeBenchmark(), new NormBenchmark(), new GateBenchmark(), new BottleneckBenchmark(),
        new EmbeddingBenchmark(), new GatherBenchmark(), new DropoutBenchmark(), new LossBenchmark(),
        new AdamWBenchmark(),
    ];

    /// <summary>The name on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Its sizes.</summary>
    public abstract IReadOnlyList<OperationSize> Sizes { get; }

    /// <summary>Whether a backend has it.</summary>
    public virtual bool RunsOn(IBackend backend) => true;

    /// <summary>Makes the operands and the calls.</summary>
    /// <param name="operands">Makes operands, and owns them.</param>
    /// <param name="size">The value of a size by its key.</param>
    public abstract IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size);

    /// <summary>The operation of a name.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static OperationBenchmark Find(string name) => All.FirstOrDefault(o => o.Name == name)
        ?? throw new UsageException($"There is no benchmark of an operation '{name}'.", "peftnative bench op",
            $"Known: {string.Join(", ", All.Select(o => o.Name))}.");

    /// <summary>
    /// Times every direction, in turns. A round repeats the call until it lasts long enough for the clock.
    /// </summary>
    /// <param name="backend">What computes.</param>
    /// <param name="size">The value of a size by its key.</param>
    /// <param name="peaks">What rates are related to; null on hardware that is not the processor.</param>
    /// <param name="warmup">Rounds that do not count.</param>
    /// <param name="rounds">Rounds that count.</param>
    /// <param name="cancellation">Stops the work between two rounds.</param>
    public IReadOnlyList<Measurement> Measure(IBackend backend, Func<string, int> size, MachinePeaks? peaks,
        int warmup, int rounds,
        CancellationToken cancellation = default)
    {
        const double LeastMilliseconds = 10;
        using var operands = new BenchmarkOperands(backend);
        var calls = Prepare(operands, size);
        int[] repeats = [.. calls.Select(c => Repeats(c.Run, operands, LeastMilliseconds))];
        var times = Measurement.Interleave([.. calls.Select((c, i) => operands.Repeat(c.Run, repeats[i]))], warmup,
            rounds, cancellation);
        var sizes = string.Join(' ', Sizes.Select(s => $"{s.Key}={size(s.Key)}"));
        return [.. calls.Select((c, i) => new Measurement($"{Name} {c.Direction} {sizes} {backend.ComputeType.Name()}",
            [.. times[i].Select(t => t / repeats[i])])
        {
            Operations = c.Operations, Bytes = c.Bytes, Peak = PeakOf(c, backend, peaks),
        })];
    }

    // The faster of two first calls decides, as the very first touches memory.
    private static int Repeats(Action run, BenchmarkOperands operands, double leastMilliseconds)
    {
        var once = Measurement.Interleave([operands.Repeat(run, 1)], warmup: 1, rounds: 2)[0].Min();
        return (int)Math.Clamp(Math.Ceiling(leastMilliseconds / once), 1, 100_000);
    }

    private static double PeakOf(OperationCall call, IBackend backend, MachinePeaks? peaks) =>
        peaks is null ? 0 : call.OnCodes ? peaks.Int8 : call.Bytes > 0
        ? peaks.Reading : backend.ComputeType == DType.BFloat16 ? peaks.Bf16 : peaks.Fp32;
}
