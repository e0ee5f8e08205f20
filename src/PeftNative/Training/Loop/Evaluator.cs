using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Tensors;
using PeftNative.Training.Metrics;

namespace PeftNative.Training.Loop;

/// <summary>
/// Measures a model, with or without adapters, on data with answers: loss and what fits the task. Belongs to one thread
/// at a time.
/// </summary>
public sealed class Evaluator : IDisposable
{
    private readonly TransformerModel model;
    private readonly BatchLoader loader;
    private readonly ModelRun run;
    private readonly int outputs;

    /// <summary>Takes the data; examples of similar length do not need to stand together, nothing is padded.</summary>
    public Evaluator(TransformerModel model, EncodedData data, int batchSize,
        params IReadOnlyList<AttachmentSet> adapters)
    {
        this.model = model;
        loader = new BatchLoader(data.Examples, batchSize, seed: 0, SamplingOrder.Sequential);
        run = new ModelRun(model, adapters);
        outputs = model.Head.Width;
    }

    /// <summary>The label that the last run predicted for each record or tagged word, if any.</summary>
    internal IReadOnlyList<int> Predictions { get; private set; } = [];

    /// <summary>What the last run found of each label; null for tasks without labels.</summary>
    public ClassReport? Classes { get; private set; }

    /// <summary>
    /// The probability from which each label counts, where records may have several; null for one half.
    /// </summary>
    public IReadOnlyList<double>? Thresholds { get; init; }

    /// <summary>Whether thresholds are found by each run, for the best F1 of each label on these very data.</summary>
    public bool TunesThresholds { get; init; }

    /// <summary>Factors of the loss, one for every label; null for none.</summary>
    internal IReadOnlyList<double>? ClassWeights { get; init; }

    /// <summary>The metrics by name; null when cancelled.</summary>
    /// <param name="progress">Told the batches done.</param>
    /// <param name="cancellation">Stops the work between two batches.</param>
    /// <exception cref="NumericException">The loss of a batch is not finite.</exception>
    /// <exception cref="DataException">No token of the data has a label.</exception>
    public IReadOnlyDictionary<string, double>? Run(IProgress<WorkProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        var sum = new HeadResult();
        var (terms, weight) = (0L, 0.0);
        var answers = new Answers(model, Thresholds, TunesThresholds);
        for (var i = 0; i < loader.BatchesPerEpoch; i++)
        {
            if (cancellation.IsCancellationRequested) return null;
            var batch = loader.Load(i);
            run.Forward(ModelBatch.Tokens(model, batch));
            var targets = ModelBatch.Targets(model, batch, 1) with { ClassWeights = ClassWeights };
            if (model.Task.Classifies() && ModelBatch.TermCount(batch) > 0)
                answers.Add(batch, targets, HostValues.Download(model.Backend, run.Scores(targets)), outputs);
            sum += run.Loss(targets);
            if (!double.IsFinite(sum.LossSum))
                throw new NumericException($"The loss of the evaluation is {sum.LossSum}.",
                    FiniteCheck.Records([batch]), Finite.Remedy);
            terms += ModelBatch.TermCount(batch);
            weight += ModelBatch.TermWeight(batch, ClassWeights);
            progress?.Report(new WorkProgress("evaluating", i + 1, loader.BatchesPerEpoch));
        }
        if (terms == 0)
            throw new DataException("No token of the data to evaluate on has a label.",
                FiniteCheck.Records([loader.Load(0)]));
        var metrics = new Dictionary<string, double> { ["loss"] = Targets.Mean(sum.LossSum, weight) };
        if (model.Task.WritesText())
        {
            metrics["perplexity"] = Math.Exp(metrics["loss"]);
            metrics["token_accuracy"] = (double)sum.Correct / sum.Count;
        }
        else
        {
            answers.Measure(metrics);
            (Predictions, Classes) = (answers.Predictions, answers.Classes);
        }
        return metrics;
    }

    /// <inheritdoc/>
    public void Dispose() => run.Dispose();

    /// <summary>Collects answers and predictions of classifiers.</summary>
    private sealed class Answers(TransformerModel model, IReadOnlyList<double>? thresholds, bool tunes)
    {
        private readonly List<int> labels = [], predictions = [];
        private readonly List<float[]> targets = [], scores = [];
        private readonly EntityMetrics entities = new();

        internal IReadOnlyList<int> Predictions => predictions;

        internal ClassReport? Classes { get; private set; }

        internal void Add(Batch batch, Targets wanted, float[] values, int outputs)
        {
            var rows = values.Chunk(outputs).ToList();
            if (wanted.Labels is null)
            {
                scores.AddRange(rows);
                targets.AddRange(wanted.Values!.Chunk(outputs));
                return;
            }
            var best = rows.ConvertAll(r => r.AsSpan().IndexOf(r.Max()));
            int[] right = [.. wanted.Labels.Where(label => label != Targets.Ignored)];
            labels.AddRange(right);
            predictions.AddRange(best);
            if (model.Task == ModelTask.TokenClassification) AddEntities(batch, right, best);
        }

        internal void Measure(Dictionary<string, double> metrics)
        {
            if (labels.Count > 0) MeasureLabels(metrics);
            else if (model.Config.ProblemType == ProblemType.MultiLabel) MeasureMultiLabel(metrics);
            else MeasureNumbers(metrics);
        }

        private void MeasureLabels(Dictionary<string, double> metrics)
        {
            var matrix = ConfusionMatrix.Of([.. labels], [.. predictions], model.Config.Labels.Count);
            metrics["accuracy"] = matrix.Accuracy;
            metrics["f1_macro"] = matrix.F1(Averaging.Macro);
            metrics["matthews_correlation"] = matrix.Matthews;
            Classes = ClassReport.Of(model.Config.Labels, matrix);
            if (model.Task != ModelTask.TokenClassification) return;
            (metrics["entity_precision"], metrics["entity_recall"], metrics["entity_f1"]) =
                EntityMetrics.HasPrefixes(model.Config.Labels) ? (entities.Precision, entities.Recall, entities.F1)
                : PlainTags.Scores(model.Config.Labels, matrix);
        }

        private void MeasureMultiLabel(Dictionary<string, double> metrics)
        {
            bool[][] wanted = [.. targets.Select(t => Array.ConvertAll(t, v => v > 0.5f))];
            double[][] given = [.. scores.Select(s => Array.ConvertAll(s, v => (double)v))];
            // Scores are compared, not probabilities: one of 0 is a probability of one half.
            double[] cuts = [.. model.Config.Labels.Select((_, i) => thresholds is null ? 0 : Logit(thresholds[i]))];
            var measured = new MultiLabelMetrics(wanted, given, cuts);
            if (tunes)
            {
                cuts = [.. measured.BestThresholds()];
                measured = new MultiLabelMetrics(wanted, given, cuts);
            }
            Classes = new ClassReport(model.Config.Labels, [.. model.Config.Labels.Select((_, i) => measured.Of(i))],
                null) { Thresholds = tunes ? [.. cuts.Select(c => 1 / (1 + Math.Exp(-c)))] : thresholds };
            (metrics["f1_micro"], metrics["f1_macro"], metrics["exact_match"]) =
                (measured.F1Micro, measured.F1Macro, measured.ExactMatch);
            if (double.IsFinite(measured.RocAucMacro)) metrics["roc_auc_macro"] = measured.RocAucMacro;
        }

        private static double Logit(double probability) => Math.Log(probability / (1 - probability));

        private void MeasureNumbers(Dictionary<string, double> metrics)
        {
            double[] wanted = [.. targets.SelectMany(t => t).Select(v => (double)v)],
                given = [.. scores.SelectMany(s => s).Select(v => (double)v)];
            metrics["mean_absolute_error"] = RegressionMetrics.MeanAbsoluteError(wanted, given);
            if (wanted.Distinct().Count() < 2 || given.Distinct().Count() < 2) return;
            metrics["pearson"] = RegressionMetrics.Pearson(wanted, given);
            metrics["spearman"] = RegressionMetrics.Spearman(wanted, given);
        }

        private void AddEntities(Batch batch, int[] wanted, List<int> best)
        {
            var at = 0;
            foreach (var example in batch.Examples)
            {
                var count = example.TrainedTokens;
                string[] Names(IEnumerable<int> ids) =>
                    [.. ids.Skip(at).Take(count).Select(id => model.Config.Labels[id])];
                entities.Add(Names(wanted), Names(best));
                at += count;
            }
        }
    }
}
