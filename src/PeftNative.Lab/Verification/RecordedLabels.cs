using System.Text.Json.Nodes;
using PeftNative.Training.Metrics;

namespace PeftNative.Lab.Verification;

/// <summary>Recorded metrics of labels and numbers; see <see cref="RecordedMetrics"/>.</summary>
internal static class RecordedLabels
{
    internal static void Classification(JsonObject recorded, RecordedValues values)
    {
        var matrix = ConfusionMatrix.Of(recorded.Numbers<int>("labels"), recorded.Numbers<int>("predictions"),
            (int)recorded["classes"]!);
        foreach (var zero in new[] { 0, 1 })
            Scores(recorded[$"zero_division_{zero}"]!.AsObject(), matrix, zero, values);
        values.Expect("accuracy", recorded, matrix.Accuracy);
        values.Expect("balanced_accuracy", recorded, matrix.BalancedAccuracy);
        values.Expect("balanced_accuracy_adjusted", recorded, matrix.BalancedAccuracyAdjusted);
        values.Expect("matthews", recorded, matrix.Matthews);
        values.Expect("kappa", recorded, matrix.Kappa());
        values.Expect("kappa_linear", recorded, matrix.Kappa(1));
        values.Expect("kappa_quadratic", recorded, matrix.Kappa(2));
        for (var i = 0; i < matrix.Classes; i++)
            for (var j = 0; j < matrix.Classes; j++)
                values.Expect($"confusion {i} {j}", (double)recorded["confusion"]![i]![j]!, matrix[i, j]);
        if (recorded["binary"] is JsonObject binary) Expect("binary", binary, matrix.Of(1), values);
    }

    internal static void Ranking(JsonObject recorded, RecordedValues values)
    {
        var labels = recorded.Numbers<int>("labels");
        var isBinary = recorded["probabilities"]![0] is JsonValue;
        double[][] rows = isBinary ? [.. recorded.Numbers<double>("probabilities").Select(p => new[] { 1 - p, p })]
            : recorded.Rows("probabilities");
        values.Expect("log_loss", recorded, RankingMetrics.LogLoss(labels, rows));
        values.Expect("brier", recorded, RankingMetrics.Brier(labels, rows) / (isBinary ? 2 : 1));
        if (isBinary)
        {
            bool[] positive = [.. labels.Select(l => l == 1)];
            double[] scores = [.. rows.Select(r => r[1])];
            values.Expect("roc_auc", recorded, RankingMetrics.RocAuc(positive, scores));
            values.Expect("average_precision", recorded, RankingMetrics.AveragePrecision(positive, scores));
        }
        else Classes(recorded, labels, rows, values);
        foreach (var calibration in recorded["calibration"]!.AsArray().OfType<JsonObject>())
        {
            var found = RankingMetrics.Calibrate(labels, rows, (int)calibration["bins"]!);
            values.Expect("ece", calibration, found.Expected);
            values.Expect("mce", calibration, found.Largest);
            foreach (var (bin, i) in found.Bins.Select((b, i) => (b, i)))
            {
                var row = calibration["table"]![i]!;
                values.Expect($"bin {i}", (double)row[0]!, bin.Count);
                values.ExpectOptional($"confidence of bin {i}", row[1], bin.Confidence);
                values.ExpectOptional($"accuracy of bin {i}", row[2], bin.Accuracy);
            }
        }
    }

    internal static void Regression(JsonObject recorded, RecordedValues values)
    {
        var (x, y) = (recorded.Numbers<double>("labels"), recorded.Numbers<double>("predictions"));
        values.Expect("mse", recorded, RegressionMetrics.MeanSquaredError(x, y));
        values.Expect("rmse", recorded, Math.Sqrt(RegressionMetrics.MeanSquaredError(x, y)));
        values.Expect("mae", recorded, RegressionMetrics.MeanAbsoluteError(x, y));
        values.Expect("median_ae", recorded, RegressionMetrics.MedianAbsoluteError(x, y));
        values.Expect("r2", recorded, RegressionMetrics.R2(x, y));
        values.Expect("explained_variance", recorded, RegressionMetrics.ExplainedVariance(x, y));
        values.Expect("pearson", recorded, RegressionMetrics.Pearson(x, y));
        values.Expect("spearman", recorded, RegressionMetrics.Spearman(x, y));
        values.Expect("kendall", recorded, RegressionMetrics.Kendall(x, y));
    }

    internal static void MultiLabel(JsonObject recorded, RecordedValues values)
    {
        bool[][] labels = [.. recorded.Rows("labels").Select(row => Array.ConvertAll(row, v => v != 0))];
        var scores = recorded.Rows("scores");
        // The recorded rule is score > threshold, ours score >= threshold.
        var metrics = new MultiLabelMetrics(labels, scores, Math.BitIncrement((double)recorded["threshold"]!));
        var width = labels[0].Length;
        values.Expect("subset_accuracy", recorded, metrics.ExactMatch);
        values.Expect("hamming_loss", recorded, metrics.HammingLoss);
        foreach (var zero in new[] { 0, 1 })
        {
            var part = recorded[$"zero_division_{zero}"]!.AsObject();
            ClassScore[] each = [.. Enumerable.Range(0, width).Select(c => metrics.Of(c, zero))];
            Expect("micro", part["micro"]!.AsObject(), metrics.Micro(zero), values);
            Expect("macro", part["macro"]!.AsObject(), Mean(each, _ => 1), values);
            Expect("weighted", part["weighted"]!.AsObject(), Mean(each, s => s.Support), values);
            Expect("samples", part["samples"]!.AsObject(), metrics.Samples(zero), values);
            PerClass(part["per_label"]!.AsObject(), each, values);
            values.Expect("jaccard_samples", part, metrics.JaccardSamples(zero));
        }
        Areas(recorded, labels, scores, values);
        values.Expect("ranking_average_precision", recorded, LabelRanking.AveragePrecision(labels, scores));
        values.Expect("ranking_loss", recorded, LabelRanking.Loss(labels, scores));
        values.Expect("coverage_error", recorded, LabelRanking.Coverage(labels, scores));
        var tuned = new MultiLabelMetrics(labels, scores, metrics.BestThresholds());
        for (var c = 0; c < width; c++)
            if (labels.Any(row => row[c]))
                values.Expect($"best F1 of {c}", (double)recorded["best_thresholds"]![c]!["best_f1"]!, tuned.Of(c).F1);
    }

    internal static ClassScore Mean(IReadOnlyList<ClassScore> scores, Func<ClassScore, double> weight)
    {
        var all = scores.Sum(weight);
        double Of(Func<ClassScore, double> part) => all == 0 ? 0 : scores.Sum(s => weight(s) * part(s)) / all;
        return new(Of(s => s.Precision), Of(s => s.Recall), Of(s => s.F1), scores.Sum(s => s.Support));
    }

    internal static void Expect(string what, JsonObject recorded, ClassScore score, RecordedValues values)
    {
        values.ExpectOptional($"{what} precision", recorded["precision"], score.Precision);
        values.ExpectOptional($"{what} recall", recorded["recall"], score.Recall);
        values.ExpectOptional($"{what} f1", recorded["f1"] ?? recorded["f1-score"], score.F1);
        if (recorded["support"] is { } support)
            values.Expect($"{what} support", (double)support, score.Support);
    }

    private static void Scores(JsonObject recorded, ConfusionMatrix matrix, int zero, RecordedValues values)
    {
        ClassScore[] each = [.. Enumerable.Range(0, matrix.Classes).Select(c => matrix.Of(c, zero))];
        PerClass(recorded, each, values);
        Expect("macro", recorded["macro"]!.AsObject(), Mean(each, _ => 1), values);
        Expect("weighted", recorded["weighted"]!.AsObject(), Mean(each, s => s.Support), values);
        Expect("micro", recorded["micro"]!.AsObject(), new(matrix.Precision(Averaging.Micro),
            matrix.Recall(Averaging.Micro), matrix.F1(Averaging.Micro), matrix.Count), values);
        values.Expect("macro_f1_default_labels", recorded, zero == 0 ? matrix.F1(Averaging.Macro)
            : each.Where((_, c) => Occurs(matrix, c)).Average(s => s.F1));
    }

    private static bool Occurs(ConfusionMatrix matrix, int label) =>
        Enumerable.Range(0, matrix.Classes).Any(c => matrix[label, c] + matrix[c, label] > 0);

    private static void PerClass(JsonObject recorded, ClassScore[] each, RecordedValues values)
    {
        for (var c = 0; c < each.Length; c++)
        {
            values.Expect($"precision of {c}", (double)recorded["precision"]![c]!, each[c].Precision);
            values.Expect($"recall of {c}", (double)recorded["recall"]![c]!, each[c].Recall);
            values.Expect($"f1 of {c}", (double)recorded["f1"]![c]!, each[c].F1);
            values.Expect($"support of {c}", (double)recorded["support"]![c]!, each[c].Support);
        }
    }

    private static void Classes(JsonObject recorded, int[] labels, double[][] rows, RecordedValues values)
    {
        values.Expect("roc_auc_ovr_macro", recorded, RankingMetrics.OneVersusRest(labels, rows, false));
        values.Expect("roc_auc_ovr_weighted", recorded, RankingMetrics.OneVersusRest(labels, rows, true));
        values.Expect("roc_auc_ovo_macro", recorded, RankingMetrics.OneVersusOne(labels, rows, false));
        values.Expect("roc_auc_ovo_weighted", recorded, RankingMetrics.OneVersusOne(labels, rows, true));
        values.Expect("top_2_accuracy", recorded, RankingMetrics.TopAccuracy(labels, rows, 2));
        for (var c = 0; c < rows[0].Length; c++)
        {
            bool[] positive = [.. labels.Select(l => l == c)];
            double[] scores = [.. rows.Select(r => r[c])];
            values.ExpectOptional($"roc_auc of {c}", recorded["roc_auc_per_class"]![c],
                RankingMetrics.RocAuc(positive, scores));
            values.ExpectOptional($"average_precision of {c}", recorded["average_precision_per_class"]![c],
                RankingMetrics.AveragePrecision(positive, scores));
        }
    }

    private static void Areas(JsonObject recorded, bool[][] labels, double[][] scores, RecordedValues values)
    {
        var (areas, precisions) = (new List<double>(), new List<double>());
        for (var c = 0; c < labels[0].Length; c++)
        {
            bool[] positive = [.. labels.Select(row => row[c])];
            double[] own = [.. scores.Select(row => row[c])];
            areas.Add(RankingMetrics.RocAuc(positive, own));
            precisions.Add(RankingMetrics.AveragePrecision(positive, own));
            values.ExpectOptional($"roc_auc of {c}", recorded["roc_auc_per_label"]![c], areas[^1]);
            values.ExpectOptional($"average_precision of {c}", recorded["average_precision_per_label"]![c],
                precisions[^1]);
        }
        bool[] all = [.. labels.SelectMany(row => row)];
        double[] flat = [.. scores.SelectMany(row => row)];
        values.Expect("roc_auc_macro", recorded, areas.Average());
        values.Expect("average_precision_macro", recorded, precisions.Average());
        values.Expect("roc_auc_micro", recorded, RankingMetrics.RocAuc(all, flat));
        values.Expect("average_precision_micro", recorded, RankingMetrics.AveragePrecision(all, flat));
    }
}
