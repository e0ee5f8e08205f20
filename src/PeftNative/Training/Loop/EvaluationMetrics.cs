using PeftNative.Models;

namespace PeftNative.Training.Loop;

/// <summary>The names of what an evaluation of a model measures.</summary>
internal static class EvaluationMetrics
{
    /// <summary>All that may be there; correlations and areas are undefined for some predictions.</summary>
    internal static IReadOnlyList<string> Of(TransformerModel model) => (model.Task, model.Config.ProblemType) switch
    {
        (var task, _) when task.WritesText() => ["loss", "perplexity", "token_accuracy"],
        (_, ProblemType.Regression) => ["loss", "mean_absolute_error", "pearson", "spearman"],
        (_, ProblemType.MultiLabel) => ["loss", "f1_micro", "f1_macro", "exact_match", "roc_auc_macro"],
        (ModelTask.TokenClassification, _) =>
            ["loss", "accuracy", "f1_macro", "matthews_correlation", "entity_precision", "entity_recall", "entity_f1"],
        _ => ["loss", "accuracy", "f1_macro", "matthews_correlation"],
    };

    /// <summary>Whether less of it is better.</summary>
    internal static bool IsBetterSmaller(string name) => name is "loss" or "perplexity" or "mean_absolute_error";
}
