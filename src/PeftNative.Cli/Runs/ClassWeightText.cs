using System.Globalization;
using PeftNative.Cli.Options;
using PeftNative.Data.Encoding;
using PeftNative.Data.Records;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>--class_weight as factors, one for every label.</summary>
internal static class ClassWeightText
{
    /// <summary>Reads it; null where it was not given.</summary>
    /// <exception cref="UsageException">It is no such text, or names a label that is not there.</exception>
    public static IReadOnlyList<double>? Read(SettingValues values, LabelVocabulary? labels, EncodedData train)
    {
        if (values.OptionalText(TrainSettings.ClassWeight) is not { } text) return null;
        if (labels is null or { Problem: not ProblemType.SingleLabel })
            throw new UsageException("--class_weight is for records or words with one label each.",
                values.OriginOf(TrainSettings.ClassWeight), "Leave it out.");
        if (text == "balanced") return ClassWeights.Balanced(train.Examples, labels.Count);
        var weights = Enumerable.Repeat(1.0, labels.Count).ToArray();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries)) Take(part, labels, weights);
        return weights;
    }

    private static void Take(string part, LabelVocabulary labels, double[] weights)
    {
        var at = part.LastIndexOf('=');
        if (at < 0 || !double.TryParse(part.AsSpan(at + 1), NumberStyles.Float, CultureInfo.InvariantCulture,
            out var weight) || !(weight >= 0) || double.IsInfinity(weight))
            throw new UsageException($"'{part}' is no factor of a label.", "--class_weight",
                "Write balanced, or NAME=X,NAME=X with numbers of at least 0.");
        var name = part[..at];
        var index = labels.Names.ToList().IndexOf(name);
        if (index < 0)
            throw new UsageException($"There is no label '{name}'.", "--class_weight",
                $"There are: {string.Join(", ", labels.Names.OrderBy(n => Spelling.Distance(n, name)).Take(10))}.");
        weights[index] = weight;
    }
}
