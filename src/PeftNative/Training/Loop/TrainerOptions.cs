using PeftNative.Data.Batching;
using PeftNative.Training.Optimization;
using PeftNative.Training.Schedules;

namespace PeftNative.Training.Loop;

/// <summary>What to do when a loss or gradient is not finite.</summary>
public enum OnNan
{
    /// <summary>Stop with a <see cref="NumericException"/>; the weights are those of the last good step.</summary>
    Stop,

    /// <summary>Leave the step out; five in a row stop the run.</summary>
    Skip,
}

/// <summary>
/// How a <see cref="Trainer"/> works. Names and defaults follow transformers' TrainingArguments where these have one.
/// </summary>
public sealed record TrainerOptions
{
    /// <summary>num_train_epochs: passes over the data; ignored when <see cref="MaxSteps"/> is set.</summary>
    public double Epochs { get; init; } = 3;

    /// <summary>Optimizer steps of the whole run; null to go by epochs.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Examples (with packing: rows) per micro-batch.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>
    /// Micro-batches per optimizer step. The loss is the mean over all labels of the step, as if it were one batch.
    /// </summary>
    public int GradientAccumulationSteps { get; init; } = 1;

    /// <summary>The highest learning rate.</summary>
    public double LearningRate { get; init; } = 2e-4;

    /// <summary>Name of the schedule; see <see cref="LearningRateSchedule.Names"/>.</summary>
    public string LrScheduler { get; init; } = "linear";

    /// <summary>The schedule's own settings.</summary>
    public ScheduleArguments? ScheduleArguments { get; init; }

    /// <summary>Share of the steps with a rising rate; ignored when <see cref="WarmupSteps"/> is set.</summary>
    public double WarmupRatio { get; init; }

    /// <summary>Steps with a rising rate; null to go by the share.</summary>
    public int? WarmupSteps { get; init; }

    /// <summary>
    /// A factor for every label on the loss of the records that have it; null for none. See <see cref="ClassWeights"/>.
    /// Evaluation knows none.
    /// </summary>
    public IReadOnlyList<double>? ClassWeights { get; init; }

    /// <summary>AdamW's settings.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>
    /// Whether a run of 20 steps or more looks at some of its training records at the end (with language models at the
    /// start too) and says when it has not learned; see <see cref="TrainResult.NotLearned"/>.
    /// </summary>
    public bool CheckLearning { get; init; } = true;

    /// <summary>The run's seed: order of the data, dropout.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Order of the examples.</summary>
    public SamplingOrder Order { get; init; } = SamplingOrder.Shuffled;

    /// <summary>Tokens per row when short texts share rows; null for no packing.</summary>
    public int? PackingBudget { get; init; }

    /// <summary>
    /// Bytes that outputs of frozen layers may take, so that layers below the lowest trained one are computed in the
    /// first epoch only; 0 for none. Used when all training data fits and more than one epoch follows. Results are the
    /// same bits.
    /// </summary>
    public long FrozenLayerCacheBytes { get; init; } = 1L << 30;

    /// <summary>
    /// Bytes that the activations of a step should stay within; null for as many as they take. Layers beyond it are
    /// computed again in the backward (Chen et al. 2016, arXiv:1604.06174). Results are the same bits. A step that
    /// takes more all the same is warned of.
    /// </summary>
    public long? MemoryBudgetBytes { get; init; }

    /// <summary>
    /// Whether micro-batches of a layout (lengths of the sequences, number of labels) that has come before are replayed
    /// as one graph of the device, on backends that can. Results are the same bits. What the adapter is set to must not
    /// change between two steps then.
    /// </summary>
    public bool UseGraphs { get; init; } = true;

    /// <summary>Steps between evaluations; null for once per epoch. Needs evaluation data.</summary>
    public int? EvalSteps { get; init; }

    /// <summary>Steps between checkpoints; null for once per epoch, 0 for none.</summary>
    public int? SaveSteps { get; init; }

    /// <summary>The most checkpoints kept besides the best adapter.</summary>
    public int SaveTotalLimit { get; init; } = 2;

    /// <summary>
    /// Name of the measure that decides which adapter is best: loss (the smaller the better) or a metric (the larger).
    /// </summary>
    public string BestMetric { get; init; } = "loss";

    /// <summary>Evaluations without improvement after which the run ends; null for never.</summary>
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>The least change that counts as improvement.</summary>
    public double EarlyStoppingMinDelta { get; init; }

    /// <summary>
    /// Whether every evaluation of records with several labels finds the probability from which each label counts, for
    /// its best F1 on these very data; see <see cref="EvalEvent.Classes"/>.
    /// </summary>
    public bool TuneThresholds { get; init; }

    /// <summary>What to do when a number is not finite.</summary>
    public OnNan OnNan { get; init; }

    /// <summary>Folder for the adapter, the best adapter and checkpoints; null to write nothing.</summary>
    public string? Output { get; init; }

    /// <summary>
    /// Texts to be written beside the adapter wherever it is saved, by file name: what PEFT's files have no place for
    /// and its use needs, such as the names of labels.
    /// </summary>
    public IReadOnlyDictionary<string, string> CompanionFiles { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// A checkpoint folder to continue from; null to start afresh. The base and how it is quantised and computes, the
    /// adapter's settings, the training data, and what decides about the sequence of batches (seed, batch size,
    /// accumulation, order, packing) must be as they were, and so must metric and evaluation data once there is a best
    /// score. Everything else may change: length, rates, optimizer, evaluating, saving, memory, the machine.
    /// </summary>
    public string? ResumeFrom { get; init; }
}
