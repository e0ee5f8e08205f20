using PeftNative.Data.Encoding;

namespace PeftNative.Training.Loop;

/// <summary>The best that one answer to every record does: what a model has to beat to have learned.</summary>
internal static class ConstantAnswer
{
    /// <summary>
    /// Its mean loss: the entropy of labels, each counted as often as its factor says; the mean entropy of each label
    /// where there may be several; the variance of numbers. 0 where all records have the same answer.
    /// </summary>
    internal static double Loss(IReadOnlyList<Example> examples, ProblemType? problem,
        IReadOnlyList<double>? classWeights)
    {
        double[] masses = [.. examples.SelectMany(Labels).CountBy(l => l)
            .Select(c => c.Value * (classWeights?[c.Key] ?? 1))];
        if (masses.Length > 0) return masses.Sum() is var all and > 0 ? Entropy(masses.Select(m => m / all)) : 0;
        float[][] targets = [.. examples.Select(e => e.Targets).OfType<float[]>()];
        if (targets.Length == 0) return 0;
        return Enumerable.Range(0, targets[0].Length).Average(column =>
        {
            double[] values = [.. targets.Select(t => (double)t[column])];
            var mean = values.Average();
            return problem == ProblemType.MultiLabel ? Entropy([mean, 1 - mean])
                : values.Average(v => (v - mean) * (v - mean));
        });
    }

    private static IEnumerable<int> Labels(Example example) =>
        example.Class is { } label ? [label] : (example.Labels ?? []).Where(l => l != Example.Masked);

    private static double Entropy(IEnumerable<double> shares) => -shares.Where(s => s > 0).Sum(s => s * Math.Log(s));
}
