using PeftNative.Determinism;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Lora.Combining;

/// <summary>
/// Rules that make one tensor of several with weights w_i. Pruning: magnitude keeps the largest int(density · n)
/// values; DARE keeps each with the probability density and divides it by that (Yu et al. 2023, arXiv:2311.03099). TIES
/// (Yadav et al. 2023, arXiv:2306.01708) elects a sign per element and averages the weighted values that have it.
/// </summary>
internal static class CombinationRules
{
    /// <summary>The combination of tensors of one shape.</summary>
    /// <param name="rule">Which rule.</param>
    /// <param name="tensors">The tensors; overwritten by pruning.</param>
    /// <param name="weights">A weight per tensor.</param>
    /// <param name="options">Density, sign election and seed.</param>
    /// <param name="stream">Number of the tensor among those of the adapter, for the seed.</param>
    internal static double[] Combine(CombinationRule rule, double[][] tensors, double[] weights,
        WeightedMergeOptions options, ulong stream)
    {
        for (var i = 0; i < tensors.Length; i++)
            Prune(rule, tensors[i], options, stream * (ulong)tensors.Length + (ulong)i);
        return rule is CombinationRule.Ties or CombinationRule.DareTies
            ? Disjoint(tensors, weights, Elect(tensors, options.SignMethod)) : Sum(tensors, weights);
    }

    private static void Prune(CombinationRule rule, double[] values, WeightedMergeOptions options, ulong stream)
    {
        if (options.Density >= 1) return;
        switch (rule)
        {
            case CombinationRule.Ties or CombinationRule.MagnitudePrune:
                var kept = (int)(options.Density * values.Length);
                foreach (var i in Enumerable.Range(0, values.Length).OrderByDescending(i => Math.Abs(values[i]))
                    .Skip(kept)) values[i] = 0;
                break;
            case CombinationRule.DareLinear or CombinationRule.DareTies:
                var random = new RandomStream(options.Seed, RandomPurpose.AdapterInitialization, stream);
                for (var i = 0; i < values.Length; i++)
                    values[i] = random.UniformSingle((ulong)i) < options.Density ? values[i] / options.Density : 0;
                break;
        }
    }

    private static double[] Sum(double[][] tensors, double[] weights)
    {
        var result = new double[tensors[0].Length];
        for (var t = 0; t < tensors.Length; t++)
            for (var i = 0; i < result.Length; i++)
                result[i] += weights[t] * tensors[t][i];
        return result;
    }

    // Weights have no say in the election, as in the reference.
    private static bool[] Elect(double[][] tensors, SignMethod method)
    {
        var isPositive = new bool[tensors[0].Length];
        for (var i = 0; i < isPositive.Length; i++)
            isPositive[i] = tensors.Sum(t => method == SignMethod.Total ? t[i] : Math.Sign(t[i])) >= 0;
        return isPositive;
    }

    private static double[] Disjoint(double[][] tensors, double[] weights, bool[] isPositive)
    {
        var result = new double[isPositive.Length];
        for (var i = 0; i < result.Length; i++)
        {
            var count = 0;
            for (var t = 0; t < tensors.Length; t++)
            {
                if (Math.Sign(tensors[t][i]) != (isPositive[i] ? 1 : -1)) continue;
                result[i] += weights[t] * tensors[t][i];
                count++;
            }
            result[i] /= Math.Max(count, 1);
        }
        return result;
    }
}
