using System.Text.Json.Nodes;
using PeftNative.Training.Metrics;

namespace PeftNative.Cli.Output;

/// <summary>What an evaluation found of each label, for people and for machines.</summary>
internal static class ClassTable
{
    // A matrix of more is nothing to look at, and long in a log.
    private const int MostInMatrix = 40;

    /// <summary>Adds per_class, confusion_matrix (a row for each label, a column for each prediction) and
    /// thresholds.</summary>
    public static void AddTo(JsonObject json, ClassReport? report)
    {
        if (report is null) return;
        json["per_class"] = new JsonObject(report.Labels.Zip(report.Scores, (label, score) =>
            KeyValuePair.Create(label, (JsonNode?)new JsonObject
            {
                ["precision"] = score.Precision, ["recall"] = score.Recall, ["f1"] = score.F1,
                ["support"] = score.Support,
            })));
        if (report.Confusion is { } matrix && report.Labels.Count <= MostInMatrix)
            json["confusion_matrix"] = new JsonArray([.. report.Labels.Select((_, i) =>
                (JsonNode)new JsonArray([.. report.Labels.Select((_, j) => (JsonNode)matrix[i, j])]))]);
        if (report.Thresholds is { } thresholds)
            json["thresholds"] = new JsonObject(report.Labels.Zip(thresholds,
                (label, t) => KeyValuePair.Create(label, (JsonNode?)t)));
    }

    /// <summary>The scores as lines of a table.</summary>
    public static IEnumerable<string> Lines(ClassReport report)
    {
        var table = new TextTable(report.Thresholds is null ? ["label", "precision", "recall", "f1", "records"]
            : ["label", "precision", "recall", "f1", "records", "threshold"]);
        for (var i = 0; i < report.Labels.Count; i++)
        {
            var score = report.Scores[i];
            string[] cells = [report.Labels[i], Quantity.Metric(score.Precision), Quantity.Metric(score.Recall),
                Quantity.Metric(score.F1), Quantity.Count(score.Support)];
            table.Add(report.Thresholds is { } t ? [.. cells, Quantity.Metric(t[i])] : cells);
        }
        return table.Lines();
    }

    /// <summary>The confusion matrix as lines of a table, labels down and predictions across; none where it is
    /// large or there is none.</summary>
    public static IEnumerable<string> MatrixLines(ClassReport report)
    {
        if (report.Confusion is not { } matrix || report.Labels.Count > MostInMatrix) return [];
        var table = new TextTable(["label \\ predicted", .. report.Labels]);
        for (var i = 0; i < report.Labels.Count; i++)
            table.Add([report.Labels[i], .. report.Labels.Select((_, j) => Quantity.Count(matrix[i, j]))]);
        return table.Lines();
    }
}
