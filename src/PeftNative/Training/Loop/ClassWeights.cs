using PeftNative.Data.Encoding;
using PeftNative.Models;

namespace PeftNative.Training.Loop;

/// <summary>Factors of a classifier's loss, one for every label, for data in which some labels are rare.</summary>
public static class ClassWeights
{
    /// <summary>
    /// n / (k · n_c), with n answers, k labels and n_c answers of label c (scikit-learn's "balanced"): every label
    /// weighs the same in sum. A label that no example has gets 1.
    /// </summary>
    /// <param name="examples">The training examples.</param>
    /// <param name="labels">Number of labels.</param>
    /// <exception cref="UsageException">They are no examples of single labels.</exception>
    public static IReadOnlyList<double> Balanced(IEnumerable<Example> examples, int labels)
    {
        var counts = new long[labels];
        foreach (var example in examples)
        {
            if (example.Class is { } label) counts[label]++;
            else if (example.Labels is null) throw Unfit();
            foreach (var tag in example.Labels ?? [])
                if (tag != Example.Masked) counts[tag]++;
        }
        double total = counts.Sum(), seen = counts.Count(c => c > 0);
        return [.. counts.Select(c => c == 0 ? 1 : total / (seen * c))];
    }

    /// <summary>Makes sure that a model can be trained with these.</summary>
    /// <exception cref="UsageException">It has other labels, or more than one for each record; or a factor is
    /// negative.</exception>
    internal static void Require(TransformerModel model, IReadOnlyList<double>? weights)
    {
        if (weights is null) return;
        if (model.Task.WritesText() || model.Config.ProblemType is ProblemType.Regression or ProblemType.MultiLabel)
            throw Unfit();
        if (weights.Count != model.Config.Labels.Count)
            throw new UsageException($"There are {weights.Count} class weights for {model.Config.Labels.Count} labels.",
                "class_weight");
        if (weights.Any(w => !(w >= 0) || double.IsInfinity(w)) || weights.All(w => w == 0))
            throw new UsageException("A class weight must be a number of at least 0, and one must be above 0.",
                "class_weight");
    }

    private static UsageException Unfit() => new(
        "class_weight is for records or words with one label each.", "class_weight",
        "Leave it out for texts, numbers, and records with several labels.");
}
