using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Determinism;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;
using PeftNative.Training.Loop;

namespace PeftNative.Lab.Comparison;

/// <summary>How far a comparison is.</summary>
/// <param name="Key">The run at work.</param>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Total">The number of runs.</param>
/// <param name="Step">The step just taken, or null before the first and at the end.</param>
/// <param name="Finished">The result, at the end of the run.</param>
/// <param name="IsReused">Whether it was there already.</param>
public sealed record ComparisonProgress(
    CellKey Key, int Number, int Total, StepEvent? Step, CellResult? Finished = null, bool IsReused = false)
{
    /// <summary>What is odd about the new adapter of the run, in sentences; told before its first step.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>What a comparison works with.</summary>
public sealed record ComparisonSetup
{
    /// <summary>Loads the base; a classifier's new head is drawn from the seed.</summary>
    public required Func<ulong, TransformerModel> Load { get; init; }

    /// <summary>The folder of the base.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>The model's tokenizer, for continuations.</summary>
    public required ITokenizer Tokenizer { get; init; }

    /// <summary>
    /// The tasks: all methods learn the first; the first method learns the others too, to change adapters.
    /// </summary>
    public required IReadOnlyList<ComparedTask> Tasks { get; init; }

    /// <summary>The plan, once a model is there.</summary>
    public required Func<TransformerModel, ComparisonPlan> Plan { get; init; }

    /// <summary>What the base knows, once a model is there.</summary>
    public required Func<TransformerModel, IBaseKnowledge> Knowledge { get; init; }

    /// <summary>The folder of the results.</summary>
    public required string Output { get; init; }
}

/// <summary>
/// Trains every method on one base with the same data and the same number of steps, and measures what each costs and
/// gives. Every finished run is in results.json at once; a comparison that was ended goes on from there. Belongs to one
/// thread.
/// </summary>
public sealed class MethodComparison
{
    private const int ProbeExamples = 4, MostCurvePoints = 60, KeptContinuations = 40;

    private readonly ComparisonSetup setup;
    private readonly Dictionary<string, Continuing> continuing;
    private readonly ModelProbe probe;
    private string data = "";

    /// <summary>Makes a comparison; finished runs of the output folder are taken over.</summary>
    public MethodComparison(ComparisonSetup setup)
    {
        this.setup = setup;
        Results = ComparisonResults.Open(setup.Output);
        probe = new ModelProbe([.. setup.Tasks[0].Eval.Examples.Take(ProbeExamples)]);
        continuing = setup.Tasks.ToDictionary(t => t.Name, t => new Continuing(setup.Tokenizer, t.Prompts));
    }

    /// <summary>The results, as they come.</summary>
    public ComparisonResults Results { get; }

    /// <summary>
    /// The runs of a plan: seed by seed the largest number of records first, then those to show few records, then other
    /// tasks.
    /// </summary>
    public static IReadOnlyList<CellKey> Order(ComparisonPlan plan, IReadOnlyList<string> tasks)
    {
        var main = from seed in plan.Seeds
            from size in plan.Sizes.Reverse()
            from method in plan.Methods
            select new CellKey(tasks[0], method.Name, size, seed);
        var others = tasks.Skip(1).Select(t => new CellKey(t, plan.Methods[0].Name, plan.LargestSize, plan.Seeds[0]));
        return [.. main, .. others];
    }

    /// <summary>Does what is not done yet.</summary>
    /// <param name="progress">Told of every step and every finished run, on the calling thread.</param>
    /// <param name="cancellation">Ends the work; what is finished is in the file.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public ComparisonResults Run(Action<ComparisonProgress>? progress = null, CancellationToken cancellation = default)
    {
        Directory.CreateDirectory(setup.Output);
        var clock = Stopwatch.GetTimestamp();
        var model = Load(null);
        var loading = Stopwatch.GetElapsedTime(clock).TotalMilliseconds;
        try
        {
            var plan = setup.Plan(model);
            var knowledge = setup.Knowledge(model);
            var order = Order(plan, [.. setup.Tasks.Select(t => t.Name)]);
            var files = FileDigests.Of(setup.ModelFolder);
            data = DataDigest(files, model);
            Results.Begin(Describe(model, plan, knowledge, cancellation), plan, order);
            var seed = plan.Seeds[0];
            for (var i = 0; i < order.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (order[i].Seed != seed && model.Task.Classifies())
                {
                    model.Dispose();
                    model = Load(order[i].Seed); // the new head is another
                }
                seed = order[i].Seed;
                RunCell(model, plan, knowledge, order[i], i + 1, order.Count, progress, cancellation);
            }
            if (model.Task.Classifies() && seed != plan.Seeds[0])
            {
                model.Dispose();
                model = Load(plan.Seeds[0]);
            }
            Results.Add(TryPortability(model, plan, files, loading, cancellation));
            return Results;
        }
        finally
        {
            model.Dispose();
        }

        TransformerModel Load(ulong? of) => setup.Load(of ?? 0);
    }

    /// <summary>
    /// The metric that stands for quality: exact continuations where there are any, of encoder-decoders ROUGE-L, else
    /// what fits the task.
    /// </summary>
    public static string QualityMetric(IReadOnlyDictionary<string, double> metrics) =>
        ((string[])["rougeL", "exact_match", "accuracy", "f1_micro", "pearson", "token_accuracy"]).FirstOrDefault(
            metrics.ContainsKey) ?? "loss";

    private ComparisonFacts Describe(
        TransformerModel model, ComparisonPlan plan, IBaseKnowledge knowledge, CancellationToken cancellation)
    {
        var (metrics, continuations) = Evaluate(model, setup.Tasks[0], plan, [], cancellation);
        using var source = WeightSource.Open(setup.ModelFolder);
        return new ComparisonFacts
        {
            Model = setup.ModelFolder, Family = model.Config.ModelType, Parameters = model.ParameterCount,
            ModelBytes = source.Files.Sum(f => new FileInfo(f).Length),
            WeightBytes = model.WeightBytes, Data = setup.Tasks[0].Name,
            EvaluationExamples = setup.Tasks[0].Eval.Examples.Count, Metric = QualityMetric(metrics), Before = metrics,
            Continuations = continuations, Knowledge = knowledge.Name, KnowledgeLowerIsBetter = knowledge.LowerIsBetter,
            KnowledgeBefore = knowledge.Measure(model), Machine = $"{model.Backend.Name}: {model.Backend.Description}",
        };
    }

    private void RunCell(
        TransformerModel model, ComparisonPlan plan, IBaseKnowledge knowledge, CellKey key, int number, int total,
        Action<ComparisonProgress>? progress, CancellationToken cancellation)
    {
        var method = plan.Methods.First(m => m.Name == key.Method);
        var recipe = Recipe(method, plan, key);
        var found = Results.Find(key, recipe);
        var isKept = found?.Adapter is not { } folder || Directory.Exists(Path.Combine(setup.Output, folder));
        if (found is not null && isKept)
        {
            progress?.Invoke(new ComparisonProgress(key, number, total, null, found, IsReused: true));
            return;
        }
        progress?.Invoke(new ComparisonProgress(key, number, total, null));
        CellResult cell;
        try
        {
            cell = Train(model, plan, knowledge, key, method, recipe,
                warnings => progress?.Invoke(new(key, number, total, null) { Warnings = warnings }),
                step => progress?.Invoke(new(key, number, total, step)), cancellation);
        }
        catch (NumericException e)
        {
            throw new NumericException(e.What, $"{key}: {e.Where}", e.Remedy, e);
        }
        Results.Add(cell);
        progress?.Invoke(new ComparisonProgress(key, number, total, null, cell));
    }

    private CellResult Train(
        TransformerModel model, ComparisonPlan plan, IBaseKnowledge knowledge, CellKey key, ComparedMethod method,
        string recipe, Action<IReadOnlyList<string>> warn, Action<StepEvent> progress, CancellationToken cancellation)
    {
        var task = setup.Tasks.First(t => t.Name == key.Task);
        var before = probe.Digest(model);
        using var adapter = method.Config.Create(model, key.Seed, trainable: true, "default");
        warn([.. adapter.Warnings, .. adapter.Doubts]);
        var steps = new List<StepEvent>();
        long stepBytes;
        double seconds;
        using (var trainer = new Trainer(model, adapter, Draw(task.Train, key), null,
            plan.Options(method, key.Size, key.Seed)))
        {
            var clock = Stopwatch.GetTimestamp();
            var result = trainer.Run(e => { if (e is StepEvent s) { steps.Add(s); progress(s); } }, cancellation);
            if (result.End == RunEnd.Cancelled) throw new OperationCanceledException();
            (seconds, stepBytes) = (Stopwatch.GetElapsedTime(clock).TotalSeconds, trainer.PeakStepBytes);
        }
        var (metrics, continuations) = Evaluate(model, task, plan, [adapter], cancellation);
        var folder = key.Seed == plan.Seeds[0] && key.Size == plan.LargestSize
            ? Path.Combine("adapters", key.ToString()) : null;
        return new CellResult
        {
            Key = key, Recipe = recipe, LearningRate = method.LearningRate, Trainable = adapter.ParameterCount,
            StoredBytes = Store(adapter, folder), Steps = steps.Count, StepMilliseconds = MedianMilliseconds(steps),
            Seconds = seconds, TrainingBytes = stepBytes
                + 4 * adapter.ParameterCount * adapter.Buffer.Values.Type.Size(),
            Curve = Curve(steps), Metrics = metrics, KnowledgeOn = knowledge.Measure(model, adapter),
            OffIsIdentical = probe.Digest(model) == before, Probe = probe.Digest(model, adapter),
            Continuations = [.. continuations.Take(KeptContinuations)], Adapter = folder,
        };
    }

    private (Dictionary<string, double> Metrics, IReadOnlyList<Continuation> Continuations) Evaluate(
        TransformerModel model, ComparedTask task, ComparisonPlan plan, IReadOnlyList<AttachmentSet> adapters,
        CancellationToken cancellation)
    {
        using var evaluator = new Evaluator(model, task.Eval, plan.BatchSize, adapters);
        var measured = evaluator.Run(cancellation: cancellation) ?? throw new OperationCanceledException();
        var metrics = measured.ToDictionary();
        var continuations = continuing[task.Name].Run(model, adapters, cancellation);
        if (continuations.Count > 0) metrics["exact_match"] = Continuing.ExactShare(continuations);
        // What an encoder-decoder writes may be long, and right without being the same to the character.
        if (continuations.Count > 0 && model.Task == ModelTask.SequenceToSequence)
            metrics["rougeL"] = Continuing.MeanRougeL(continuations);
        return (metrics, continuations);
    }

    private PortabilityResult TryPortability(
        TransformerModel model, ComparisonPlan plan, IReadOnlyDictionary<string, string> files, double loading,
        CancellationToken cancellation)
    {
        var kept = Results.Cells.Where(c => c.Adapter is not null).ToList();
        var adapters = kept.Where(c => !plan.Methods.First(m => m.Name == c.Key.Method).IsBaseline).ToList();
        var swapped = Portability.Swap(model, probe,
            [.. adapters.Select(
                c => ($"{c.Key.Method} ({c.Key.Task})", Path.Combine(setup.Output, c.Adapter!), c.Probe))]);
        return new PortabilityResult
        {
            Adapters = swapped, Cross = Cross(model, plan, kept, cancellation), BaseLoadMilliseconds = loading,
            FilesAreIntact = FileDigests.AreSame(files, FileDigests.Of(setup.ModelFolder)),
        };
    }

    private List<CrossQuality> Cross(
        TransformerModel model, ComparisonPlan plan, List<CellResult> kept, CancellationToken cancellation)
    {
        var result = new List<CrossQuality>();
        if (setup.Tasks.Count < 2) return result;
        var first = kept.Where(c => c.Key.Method == plan.Methods[0].Name).ToList();
        foreach (var cell in first.Prepend(null))
        {
            using var adapter = cell is null ? null
                : AdapterFolder.Load(model, Path.Combine(setup.Output, cell.Adapter!));
            foreach (var task in setup.Tasks)
            {
                var metrics = Evaluate(model, task, plan, adapter is null ? [] : [adapter], cancellation).Metrics;
                result.Add(new CrossQuality(task.Name, cell?.Key.Task, metrics[QualityMetric(metrics)]));
            }
        }
        return result;
    }

    // Which records are drawn depends on the seed alone, so all methods see the same ones, and fewer are among more.
    private static EncodedData Draw(EncodedData all, CellKey key)
    {
        if (key.Size >= all.Examples.Count) return all;
        var order = Enumerable.Range(0, all.Examples.Count).ToArray();
        new RandomStream(key.Seed, RandomPurpose.TrainingSubset).Shuffle(order);
        return EncodedData.Of([.. order.Take(key.Size).Select(i => all.Examples[i])]);
    }

    private long Store(Adapter adapter, string? folder)
    {
        var path = folder is null ? Path.Combine(setup.Output, "unkept") : Path.Combine(setup.Output, folder);
        AdapterFolder.Save(adapter, path);
        var bytes = Directory.GetFiles(path, "*.safetensors").Sum(f => new FileInfo(f).Length);
        if (folder is null) Directory.Delete(path, recursive: true);
        return bytes;
    }

    // The first steps also take memory and warm up.
    private static double MedianMilliseconds(List<StepEvent> steps) =>
        new Spread([.. steps.Skip(Math.Min(3, steps.Count - 1)).Select(s => s.Duration.TotalMilliseconds)]).Median;

    private static List<(int, double)> Curve(List<StepEvent> steps)
    {
        var count = Math.Min(MostCurvePoints, steps.Count);
        return [.. Enumerable.Range(0, count).Select(i => i * (steps.Count - 1) / Math.Max(1, count - 1))
            .Select(i => (steps[i].Step, steps[i].Loss))];
    }

    // Of the base the hashes of its files and the type it computes in, of the data every token and label.
    private string DataDigest(IReadOnlyDictionary<string, string> files, TransformerModel model)
    {
        var text = new StringBuilder(string.Join('|', files.Select(f => $"{f.Key}={f.Value}")))
            .Append(model.Backend.ComputeType);
        foreach (var e in setup.Tasks.SelectMany(t => t.Train.Examples.Concat(t.Eval.Examples)))
            text.Append(CultureInfo.InvariantCulture,
                $"\n{string.Join(' ', e.Ids)}|{string.Join(' ', e.Labels ?? [])}|{e.Class}|")
                .AppendJoin(' ', e.Targets ?? [])
                .Append(e.DecoderIds is null ? "" : $">{string.Join(' ', e.DecoderIds)}");
        return Digest(text.ToString());
    }

    private string Recipe(ComparedMethod method, ComparisonPlan plan, CellKey key)
    {
        var config = PeftJson.Write(method.Config.ToJson());
        return Digest(string.Create(CultureInfo.InvariantCulture,
            $"{data}|{key}|{config}|{method.LearningRate:R}|{plan.StepsFor(key.Size)}|{plan.BatchSize}"));
    }

    private static string Digest(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];
}
