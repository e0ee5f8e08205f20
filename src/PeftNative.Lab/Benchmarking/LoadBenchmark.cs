using System.Diagnostics;
using PeftNative.Formats;
using PeftNative.Models.Loading;
using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking;

/// <summary>
/// What loading a model and training an adapter on it take. Memory is resident memory of the process.
/// </summary>
/// <param name="FileBytes">The model's files of weights.</param>
/// <param name="Parameters">Numbers of the model.</param>
/// <param name="WeightBytes">Weights in memory of the backend.</param>
/// <param name="MappedBytes">Weights that are used where they lie in the files.</param>
/// <param name="IsCold">Whether the files were dropped from the system's cache before.</param>
/// <param name="LoadMilliseconds">Time of loading.</param>
/// <param name="BeforeBytes">Before loading: the program itself.</param>
/// <param name="LoadPeakBytes">The most while loading.</param>
/// <param name="StepMilliseconds">Median time of a training step.</param>
/// <param name="ActivationBytes">What a step takes for activations and the weight that is whole.</param>
/// <param name="TrainPeakBytes">The most while training.</param>
public sealed record LoadBenchmarkResult(long FileBytes, long Parameters, long WeightBytes, long MappedBytes,
    bool IsCold, double LoadMilliseconds, long BeforeBytes, long LoadPeakBytes, double StepMilliseconds,
    long ActivationBytes, long TrainPeakBytes)
{
    /// <summary>What loading added at most, in terms of the files' size.</summary>
    public double LoadFactor => (double)(LoadPeakBytes - BeforeBytes) / FileBytes;

    /// <summary>What loading added that no file holds, at its end.</summary>
    public long LoadOwnBytes { get; init; }

    /// <summary>What training added that no file holds, at its end and above its activations, in terms of the files'
    /// size.</summary>
    public double TrainOwnFactor { get; init; }

    /// <summary>What training added at most above its activations, in terms of the files' size.</summary>
    public double TrainFactor => (double)(TrainPeakBytes - BeforeBytes - ActivationBytes) / FileBytes;
}

/// <summary>
/// Loads a model of files and trains an adapter on it with random tokens, and measures time and memory. Used
/// by one thread.
/// </summary>
public static class LoadBenchmark
{
    /// <summary>Runs it.</summary>
    /// <param name="backend">Computes with the model.</param>
    /// <param name="path">The model: a folder, or a .gguf file.</param>
    /// <param name="options">Method, rank, alpha, batch, quantisation, the budget of memory, warm-up and steps.</param>
    /// <param name="cancellation">Stops it between two parameters or steps.</param>
    /// <exception cref="ModelFormatException">The model cannot be loaded.</exception>
    public static LoadBenchmarkResult Run(IBackend backend, string path, StepBenchmarkOptions options,
        CancellationToken cancellation = default)
    {
        var files = Files(path);
        var (fileBytes, isCold) = (files.Sum(f => new FileInfo(f).Length), true);
        foreach (var file in files) isCold &= FileCache.Drop(file);
        GC.Collect();
        ResidentMemory.ForgetPeak();
        var before = ResidentMemory.Now();
        var clock = Stopwatch.StartNew();
        var (model, _) = ModelLoader.Load(backend, path,
            new ModelOptions { Quantization = options.Quantization }, cancellation: cancellation);
        using var owner = model;
        var loadTime = clock.Elapsed.TotalMilliseconds;
        var loaded = ResidentMemory.Now();

        ResidentMemory.ForgetPeak();
        var lengths = Enumerable.Repeat(options.Sequence, options.Batch).ToList();
        using var run = new StepRun(model, options.AdapterConfig(hasTargets: false),
            StepRun.RandomBatch(model.Config.VocabularySize, lengths), memoryBudget: options.MemoryBudgetBytes)
        {
            UseGraphs = options.UseGraphs,
        };
        for (var i = 0; i < options.Warmup; i++) run.Step();
        var times = Measurement.Interleave([run.Step], warmup: 0, options.Steps, cancellation)[0];
        var (after, present) = (ResidentMemory.Now(), before.Anonymous + before.Mapped);
        return new LoadBenchmarkResult(fileBytes, model.ParameterCount, model.WeightBytes, model.MappedBytes, isCold,
            loadTime, present, loaded.Peak, new Measurement("step", times).Median, run.StepBytes, after.Peak)
        {
            LoadOwnBytes = loaded.Anonymous - before.Anonymous,
            TrainOwnFactor = (double)(after.Anonymous - before.Anonymous - run.StepBytes) / fileBytes,
        };
    }

    private static List<string> Files(string path)
    {
        using var source = WeightSource.Open(path);
        return [.. source.Files];
    }
}
