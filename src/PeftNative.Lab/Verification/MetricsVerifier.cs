using System.Text.Json.Nodes;
using PeftNative.Training.Metrics;

namespace PeftNative.Lab.Verification;

/// <summary>Replays metrics recorded from scikit-learn, SciPy, seqeval and rouge_score.</summary>
public static class MetricsVerifier
{
    private const double Tolerance = 1e-12;

    /// <summary>Compares every recorded number with ours, to 1e-12.</summary>
    /// <param name="path">
    /// A JSON object with <c>classification</c>, <c>regression</c>, <c>multilabel</c>, <c>token_classification</c> and
    /// <c>rouge</c>, each holding labels, predictions and the numbers of the reference. A number this version does not
    /// know counts as failed.
    /// </param>
    /// <exception cref="DataException">The file is not such an object.</exception>
    public static VerificationResult Verify(string path) => RecordedValues.Read(path, root =>
    {
        var values = new RecordedValues("training:metrics", Tolerance);
        foreach (var (kind, cases) in root.AsObject())
        {
            var index = 0;
            foreach (var recorded in cases is JsonArray list ? [.. list] : new[] { cases })
                Replay(kind, $"{kind} {index++}", recorded!.AsObject(), values);
        }
        return values.Result;
    });

    private static void Replay(string kind, string name, JsonObject recorded, RecordedValues values)
    {
        Func<string, double?> metric;
        switch (kind)
        {
            case "classification":
                var matrix = ConfusionMatrix.Of(
                    Array<int>(recorded, "labels"), Array<int>(recorded, "predictions"),
                    recorded["classes"]!.GetValue<int>());
                CompareConfusion(name, recorded, matrix, values);
                metric = key => Classification(matrix, key);
                break;
            case "regression":
                var (labels, predictions) = (Array<double>(recorded, "labels"), Array<double>(recorded, "predictions"));
                metric = key => Regression(labels, predictions, key);
                break;
            case "multilabel":
                var multiLabel = new MultiLabelMetrics(
                    [.. Rows<int>(recorded, "labels").Select(r => r.Select(x => x != 0).ToArray())],
                    [.. Rows<double>(recorded, "scores")], recorded["threshold"]!.GetValue<double>());
                metric = key => MultiLabel(multiLabel, key);
                break;
            case "token_classification":
                var entities = new EntityMetrics();
                foreach (var (expected, found) in Rows<string>(recorded, "labels")
                    .Zip(Rows<string>(recorded, "predictions")))
                    entities.Add(expected, found);
                metric = key => Entities(entities, key);
                break;
            case "rouge":
                CompareRouge(name, recorded, values);
                return;
            default:
                values.Fail(name);
                return;
        }
        CompareNumbers(name, recorded, metric, values);
    }

    private static void CompareNumbers(
        string name, JsonObject recorded, Func<string, double?> metric, RecordedValues values)
    {
        string[] inputs = ["labels", "predictions", "scores", "classes", "threshold", "confusion"];
        foreach (var (key, number) in recorded)
        {
            // null: the reference has no such number for this input.
            if (inputs.Contains(key) || number is null) continue;
            if (metric(key) is { } actual) values.Expect($"{name}, {key}", number.GetValue<double>(), actual);
            else values.Fail($"{name}, {key}");
        }
    }

    private static double? Classification(ConfusionMatrix matrix, string key) => key switch
    {
        "accuracy" => matrix.Accuracy,
        "f1_macro" => matrix.F1(Averaging.Macro),
        "f1_micro" => matrix.F1(Averaging.Micro),
        "f1_weighted" => matrix.F1(Averaging.Weighted),
        "f1_binary" => matrix.F1(Averaging.Binary),
        "precision_macro" => matrix.Precision(Averaging.Macro),
        "recall_macro" => matrix.Recall(Averaging.Macro),
        "matthews" => matrix.Matthews,
        _ => null,
    };

    private static double? Regression(double[] labels, double[] predictions, string key) => key switch
    {
        "mse" => RegressionMetrics.MeanSquaredError(labels, predictions),
        "mae" => RegressionMetrics.MeanAbsoluteError(labels, predictions),
        "pearson" => RegressionMetrics.Pearson(labels, predictions),
        "spearman" => RegressionMetrics.Spearman(labels, predictions),
        _ => null,
    };

    private static double? MultiLabel(MultiLabelMetrics metrics, string key) => key switch
    {
        "f1_micro" => metrics.F1Micro,
        "f1_macro" => metrics.F1Macro,
        "exact_match" => metrics.ExactMatch,
        "roc_auc_macro" => metrics.RocAucMacro,
        _ => null,
    };

    private static double? Entities(EntityMetrics metrics, string key) => key switch
    {
        "precision" => metrics.Precision,
        "recall" => metrics.Recall,
        "f1" => metrics.F1,
        _ => null,
    };

    private static void CompareConfusion(
        string name, JsonObject recorded, ConfusionMatrix matrix, RecordedValues values)
    {
        var rows = Rows<long>(recorded, "confusion").ToList();
        for (var label = 0; label < rows.Count; label++)
        {
            for (var prediction = 0; prediction < rows[label].Length; prediction++)
                values.Expect(
                    $"{name}, confusion {label} {prediction}", rows[label][prediction], matrix[label, prediction]);
        }
    }

    private static void CompareRouge(string name, JsonObject recorded, RecordedValues values)
    {
        var (reference, prediction) =
            (recorded["reference"]!.GetValue<string>(), recorded["prediction"]!.GetValue<string>());
        foreach (var (key, node) in recorded.Where(p => p.Value is JsonObject))
        {
            var score = key switch
            {
                "rouge1" => Rouge.Ngrams(reference, prediction, 1),
                "rouge2" => Rouge.Ngrams(reference, prediction, 2),
                "rougeL" => Rouge.LongestCommonSubsequence(reference, prediction),
                _ => new OverlapScore(double.NaN, double.NaN, double.NaN),
            };
            values.Expect($"{name}, {key} precision", node!["precision"]!.GetValue<double>(), score.Precision);
            values.Expect($"{name}, {key} recall", node["recall"]!.GetValue<double>(), score.Recall);
            values.Expect($"{name}, {key} fmeasure", node["fmeasure"]!.GetValue<double>(), score.FMeasure);
        }
    }

    private static T[] Array<T>(JsonNode recorded, string key) =>
        [.. recorded[key]!.AsArray().Select(x => x!.GetValue<T>())];

    private static IEnumerable<T[]> Rows<T>(JsonNode recorded, string key) =>
        recorded[key]!.AsArray().Select(row => row!.AsArray().Select(x => x!.GetValue<T>()).ToArray());
}
