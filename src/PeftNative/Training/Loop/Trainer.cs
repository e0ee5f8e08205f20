using System.Diagnostics;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Peft.Adapters;
using PeftNative.Training.Observing;
using PeftNative.Training.Optimization;
using PeftNative.Training.Schedules;

namespace PeftNative.Training.Loop;

/// <summary>
/// Trains an adapter. <see cref="Run(Action{TrainEvent}, CancellationToken)"/> does everything; <see cref="Step"/>
/// takes one optimizer step for callers with a loop of their own. What a step does depends only on the seed, the step's
/// number and the data, so a run that continues from a checkpoint is the run that was not interrupted. Belongs to one
/// thread at a time.
/// </summary>
public sealed class Trainer : IDisposable
{
    private const int MostSkipped = 5;

    private readonly TransformerModel model;
    private readonly TrainerOptions options;
    private readonly EncodedData train;
    private readonly BatchLoader loader;
    private readonly Evaluator? evaluator;
    private readonly LearningRateSchedule schedule;
    private readonly RunFolder? folder;
    private readonly ModelRun run;
    private int skipped;
    private Batch? lastTaken; // of the last step that was not left out
    private bool isOverBudget, isWithoutGraphs;

    /// <summary>Makes a trainer; continues from a checkpoint where the options name one.</summary>
    /// <exception cref="UsageException">
    /// Options contradict each other, the adapter is not trainable, or the checkpoint is of another run; see
    /// <see cref="TrainerOptions.ResumeFrom"/>.
    /// </exception>
    public Trainer(TransformerModel model, Adapter adapter, EncodedData train, EncodedData? eval,
        TrainerOptions options)
    {
        if (!adapter.IsTrainable) throw new UsageException($"The adapter '{adapter.Name}' was loaded for use only.");
        if (options.GradientAccumulationSteps < 1)
            throw new UsageException("gradient_accumulation_steps must be at least 1.");
        RequireEvaluation(model, eval, options);
        Loop.ClassWeights.Require(model, options.ClassWeights);
        RunLimits.Require(adapter, train.Sample());
        if (eval is not null) RunLimits.Require(adapter, eval.Sample());
        (this.model, Adapter, this.options, this.train) = (model, adapter, options, train);
        loader = new BatchLoader(train.Examples, options.BatchSize, options.Seed, options.Order, options.PackingBudget,
            train.Rows);
        StepsPerEpoch = (loader.BatchesPerEpoch + options.GradientAccumulationSteps - 1)
            / options.GradientAccumulationSteps;
        TotalSteps = options.MaxSteps ?? (int)Math.Max(1, Math.Ceiling(options.Epochs * StepsPerEpoch));
        var warmup = options.WarmupSteps ?? LearningRateSchedule.WarmupSteps(options.WarmupRatio, TotalSteps);
        schedule = LearningRateSchedule.Create(options.LrScheduler, options.LearningRate, warmup, TotalSteps,
            options.ScheduleArguments);
        Optimizer = new AdamW(model.Backend, adapter.Buffer, options.Optimizer);
        run = new ModelRun(model, adapter)
        {
            Seed = options.Seed, Memory = { Budget = options.MemoryBudgetBytes }, Graphs = { IsOn = options.UseGraphs },
        };
        var isRepeated = TotalSteps > StepsPerEpoch;
        if (isRepeated && FrozenLayerCache.BytesFor(model, train.Tokens)
            <= options.FrozenLayerCacheBytes)
            run.FrozenLayers = new FrozenLayerCache(model);
        evaluator = eval is null ? null : new Evaluator(model, eval, options.BatchSize, adapter)
        {
            TunesThresholds = options.TuneThresholds,
        };
        if ((options.Output ?? options.ResumeFrom) is not null)
        {
            var (identity, scores) = (RunIdentity.Of(adapter, options, train), RunIdentity.OfScores(options, eval));
            if (options.ResumeFrom is { } checkpoint)
                CompletedSteps = RunFolder.Restore(checkpoint, this, identity, scores);
            folder = options.Output is null ? null : new RunFolder(options.Output, options, identity, scores);
        }
    }

    /// <summary>The adapter.</summary>
    public Adapter Adapter { get; }

    /// <summary>The optimizer.</summary>
    public AdamW Optimizer { get; }

    /// <summary>Optimizer steps per pass over the data.</summary>
    public int StepsPerEpoch { get; }

    /// <summary>Optimizer steps of the whole run.</summary>
    public int TotalSteps { get; }

    /// <summary>Optimizer steps done, those before resuming included.</summary>
    public int CompletedSteps { get; private set; }

    /// <summary>The best evaluation so far: its measure, larger is better; null before the first.</summary>
    public double? BestScore { get; internal set; }

    /// <summary>Evaluations since the best one.</summary>
    internal int EvaluationsSinceBest { get; set; }

    /// <summary>The most memory a step has taken, in bytes of the backend.</summary>
    public long PeakStepBytes => run.Memory.PeakBytes;

    /// <summary>
    /// Micro-batches whose frozen layers were taken from an earlier epoch; see
    /// <see cref="TrainerOptions.FrozenLayerCacheBytes"/>.
    /// </summary>
    public long ReusedBatches => run.FrozenLayers?.Hits ?? 0;

    /// <summary>
    /// Micro-batches that were replayed as a graph of the device; see <see cref="TrainerOptions.UseGraphs"/>.
    /// </summary>
    public long ReplayedBatches => run.Graphs.Replayed;

    /// <summary>Trains to the end, evaluating and saving on the way.</summary>
    /// <param name="progress">Receives every event, in order; it decides on which thread.</param>
    /// <param name="cancellation">Ends the run after the present micro-batch, with a checkpoint.</param>
    /// <inheritdoc cref="Run(Action{TrainEvent}, CancellationToken)" path="/exception"/>
    public TrainResult Run(IProgress<TrainEvent> progress, CancellationToken cancellation = default) =>
        Run(progress.Report, cancellation);

    /// <summary>Trains to the end, evaluating and saving on the way.</summary>
    /// <param name="progress">Receives every event, on the calling thread.</param>
    /// <param name="cancellation">Ends the run after the present micro-batch, with a checkpoint.</param>
    /// <exception cref="NumericException">
    /// A loss, a gradient or what an update made is not finite, or every step was left out. What is on disk stays as
    /// it is; the message names the checkpoint to go on from.
    /// </exception>
    public TrainResult Run(Action<TrainEvent>? progress = null, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        var start = CompletedSteps;
        IReadOnlyDictionary<string, double>? last = null, best = null;
        var loss = double.NaN;
        var check = options.CheckLearning ? new LearningCheck(this, model, train, options) : null;
        while (CompletedSteps < TotalSteps)
        {
            if (cancellation.IsCancellationRequested || Step(cancellation) is not { } step)
                return new TrainResult(RunEnd.Cancelled, CompletedSteps, loss, best, last, Save(progress));
            loss = step.Loss;
            check?.See(step);
            progress?.Invoke(step with { Elapsed = clock.Elapsed, Remaining = Remaining(clock.Elapsed, start) });
            WarnOfBudget(progress);
            WarnOfGraphs(progress);
            if (IsDue(options.EvalSteps) && evaluator is not null)
            {
                last = Evaluate(progress, cancellation, out var isBest);
                if (last is null)
                    return new TrainResult(RunEnd.Cancelled, CompletedSteps, loss, best, null, Save(progress));
                if (isBest) best = last;
                if (EvaluationsSinceBest >= options.EarlyStoppingPatience) return Finish(RunEnd.EarlyStopped);
            }
            if (options.SaveSteps != 0 && IsDue(options.SaveSteps) && CompletedSteps < TotalSteps) Save(progress);
        }
        return Finish(RunEnd.Completed);

        TrainResult Finish(RunEnd end)
        {
            RequireFinite();
            folder?.SaveAdapter(Adapter);
            if (options.Output is { } output)
                progress?.Invoke(new SavedEvent { Step = CompletedSteps, Folder = output });
            var seen = CompletedSteps > start && check is not null ? check.Observe(cancellation) : [];
            foreach (var (observation, meansNotLearned) in seen)
                progress?.Invoke(new WarningEvent
                {
                    Step = CompletedSteps, Name = observation.Name,
                    Message = meansNotLearned ? $"The run has not learned: {observation.Text}" : observation.Text,
                });
            return new TrainResult(end, CompletedSteps, loss, best, last, null)
            {
                NotLearned = [.. seen.Where(s => s.MeansNotLearned).Select(s => s.Observation.Text)],
            };
        }
    }

    /// <summary>
    /// One optimizer step: forward and backward of its micro-batches, clipping, update. Null when it was cancelled;
    /// then nothing has changed.
    /// </summary>
    /// <exception cref="NumericException">A loss or gradient is not finite; nothing has changed.</exception>
    public StepEvent? Step(CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        var batches = LoadBatches();
        var terms = batches.Sum(ModelBatch.TermCount);
        if (terms == 0)
            throw new DataException("No token of the step has a label.", batches[0].Examples[0].Origin.ToString(),
                "Use a larger max_seq_length, or turn mask_prompt off.");
        var weight = batches.Sum(b => ModelBatch.TermWeight(b, options.ClassWeights));
        Optimizer.ZeroGradients();
        var sum = new HeadResult();
        for (var i = 0; i < batches.Count; i++)
        {
            if (cancellation.IsCancellationRequested) return null;
            run.Step = (ulong)CompletedSteps * (ulong)options.GradientAccumulationSteps + (ulong)i;
            run.FrozenLayers?.Select(batches[i].Examples);
            sum += run.Train(ModelBatch.Tokens(model, batches[i]),
                ModelBatch.Targets(model, batches[i], Targets.Inverse(weight)) with
                {
                    ClassWeights = options.ClassWeights,
                });
        }
        var norm = Optimizer.GradientNorm();
        var rate = schedule.Rate(CompletedSteps);
        if (double.IsFinite(norm) && double.IsFinite(sum.LossSum))
        {
            Optimizer.Step(rate, norm);
            (skipped, lastTaken) = (0, batches.First(b => ModelBatch.TermCount(b) > 0));
        }
        else
        {
            SkipOrStop(batches, sum.LossSum, norm);
        }
        CompletedSteps++;
        return new StepEvent
        {
            Step = CompletedSteps, TotalSteps = TotalSteps, Epoch = (double)CompletedSteps / StepsPerEpoch,
            Loss = Targets.Mean(sum.LossSum, weight),
            Accuracy = batches[0].Targets is null ? (double)sum.Correct / sum.Count
                : null, LearningRate = rate, GradientNorm = norm,
            Tokens = batches.Sum(b => b.Tokens), Duration = clock.Elapsed, Elapsed = clock.Elapsed, Remaining = default,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        run.FrozenLayers?.Dispose();
        run.Dispose();
        Optimizer.Dispose();
        evaluator?.Dispose();
    }

    private void WarnOfBudget(Action<TrainEvent>? progress)
    {
        if (isOverBudget || options.MemoryBudgetBytes is not { } budget || run.Memory.PeakBytes <= budget) return;
        isOverBudget = true;
        progress?.Invoke(new WarningEvent
        {
            Step = CompletedSteps,
            Message = $"A step takes {run.Memory.PeakBytes >> 20} MiB even when every layer is computed again;"
                + $" memory_budget is {budget >> 20} MiB. "
                + "A smaller batch_size or max_seq_length takes less.",
        });
    }

    private void WarnOfGraphs(Action<TrainEvent>? progress)
    {
        if (isWithoutGraphs || run.Graphs.Problem is not { } problem) return;
        isWithoutGraphs = true;
        progress?.Invoke(new WarningEvent { Step = CompletedSteps,
            Message = $"Steps are not recorded as graphs from here on: {problem}" });
    }

    // What can only fail later, at the first evaluation or never, is refused before the first step.
    private static void RequireEvaluation(TransformerModel model, EncodedData? eval, TrainerOptions options)
    {
        var names = EvaluationMetrics.Of(model);
        if (!names.Contains(options.BestMetric))
            throw new UsageException($"There is no metric '{options.BestMetric}' for this task.", "metric",
                $"There are: {string.Join(", ", names)}.");
        if (options.TuneThresholds && model.Config.ProblemType != ProblemType.MultiLabel)
            throw new UsageException("tune_thresholds is for records that can have several labels.", "tune_thresholds",
                "Leave it out.");
        if (eval is not null) return;
        var asked = options.EarlyStoppingPatience is not null ? "early_stopping_patience"
            : options.EvalSteps is not null ? "eval_steps" : options.BestMetric != "loss" ? "metric"
            : options.TuneThresholds ? "tune_thresholds" : null;
        if (asked is not null)
            throw new UsageException($"{asked} needs data to evaluate on, and there is none.", asked,
                "Give eval_data or val_size, or leave it out.");
    }

    // The micro-batches of a step; the last step of an epoch may have fewer, so that no step spans two epochs.
    private List<Batch> LoadBatches()
    {
        var (epoch, inEpoch) = (CompletedSteps / StepsPerEpoch, CompletedSteps % StepsPerEpoch);
        var first = inEpoch * options.GradientAccumulationSteps;
        var count = Math.Min(options.GradientAccumulationSteps, loader.BatchesPerEpoch - first);
        var start = (long)epoch * loader.BatchesPerEpoch + first;
        return [.. Enumerable.Range(0, count).Select(i => loader.Load(start + i))];
    }

    private void SkipOrStop(List<Batch> batches, double loss, double norm)
    {
        // Values that an update has broken stay so, whatever is left out.
        var isBroken = !double.IsFinite(model.Backend.SumOfSquares(Adapter.Buffer.Values));
        if (!isBroken && options.OnNan == OnNan.Skip && ++skipped <= MostSkipped) return;
        var what = double.IsFinite(loss) ? $"The gradient norm is {norm}" : $"The loss is {loss}";
        var culprit =
            Adapter.Entries.FirstOrDefault(e => !double.IsFinite(model.Backend.SumOfSquares(e.Parameter.Gradient)));
        throw new NumericException(
            $"{what} at step {CompletedSteps + 1}; the first gradient that is not finite is that of "
            + $"{culprit?.Key ?? "no parameter"}.", FiniteCheck.Records(batches),
            (isBroken ? "Lower the learning rate: the update before has left values that are not finite. "
                : "Lower the learning rate, or look at these records; the adapter is unchanged by this step. ")
            + FiniteCheck.LastCheckpoint(options));
    }

    private void RequireFinite()
    {
        if (lastTaken is null && skipped > 0)
            throw new NumericException(
                "Every step was left out, as its loss or gradient was not finite; nothing is learned or saved.",
                "on_nan skip", "Lower the learning rate, or look at base and data.");
        FiniteCheck.Require(this, lastTaken ?? loader.Load(0), options);
    }

    private IReadOnlyDictionary<string, double>? Evaluate(Action<TrainEvent>? progress, CancellationToken cancellation,
        out bool isBest)
    {
        var clock = Stopwatch.StartNew();
        isBest = false;
        if (Measure(cancellation) is not { } metrics) return null;
        // One that is undefined for these predictions, as a correlation of equal numbers is, is no better than any.
        var measure = metrics.GetValueOrDefault(options.BestMetric, double.NaN);
        var score = EvaluationMetrics.IsBetterSmaller(options.BestMetric) ? -measure : measure;
        isBest = !double.IsNaN(score) && (BestScore is null || score > BestScore + options.EarlyStoppingMinDelta);
        EvaluationsSinceBest = isBest ? 0 : EvaluationsSinceBest + 1;
        if (isBest)
        {
            BestScore = score;
            RequireFinite();
            folder?.SaveBest(Adapter);
        }
        progress?.Invoke(new EvalEvent { Step = CompletedSteps, Metrics = metrics, IsBest = isBest,
            Classes = evaluator!.Classes, Duration = clock.Elapsed });
        return metrics;
    }

    private IReadOnlyDictionary<string, double>? Measure(CancellationToken cancellation)
    {
        try
        {
            return evaluator!.Run(cancellation: cancellation);
        }
        catch (NumericException e)
        {
            throw new NumericException($"{e.What[..^1]} at step {CompletedSteps}; nothing is saved.", e.Where,
                $"{e.Remedy} {FiniteCheck.LastCheckpoint(options)}", e);
        }
    }

    private string? Save(Action<TrainEvent>? progress)
    {
        if (folder is null) return null;
        RequireFinite();
        var saved = folder.SaveCheckpoint(this);
        progress?.Invoke(new SavedEvent { Step = CompletedSteps, Folder = saved });
        return saved;
    }

    private bool IsDue(int? every) => CompletedSteps % (every ?? StepsPerEpoch) == 0 || CompletedSteps == TotalSteps;

    private TimeSpan Remaining(TimeSpan elapsed, int start) =>
        elapsed / (CompletedSteps - start) * (TotalSteps - CompletedSteps);
}
