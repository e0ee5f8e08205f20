using PeftNative.Determinism;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Lora.Combining;
using PeftNative.Peft.Matching;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Peft;

public class WeightedMergeTests
{
    private static readonly LoraConfig Config = new() { R = 3, Alpha = 6, Initialization = LoraInitialization.Random,
        Targets = new TargetModules(null, "all-linear") };

    [Theory]
    [InlineData(7, 4, 4)]
    [InlineData(4, 7, 4)]
    [InlineData(6, 6, 3)]
    [InlineData(1, 5, 1)]
    [InlineData(5, 3, 6)]
    public void A_decomposition_is_orthogonal_falls_and_approximates_best(int rows, int columns, int rank)
    {
        var x = Normal(rows * columns, 1);
        var (left, right) = Svd.Truncated(x, rows, columns, rank);
        var inner = Math.Min(rank, Math.Min(rows, columns));
        var values = new double[rank];
        for (var r = 0; r < rank; r++)
            values[r] = Math.Sqrt(Enumerable.Range(0, rows).Sum(i => left[i * rank + r] * left[i * rank + r]));
        for (var r = 1; r < rank; r++) Assert.True(values[r] <= values[r - 1] * (1 + 1e-12));
        for (var r = 0; r < inner; r++)
            for (var s = 0; s < inner; s++)
            {
                Assert.Equal(r == s ? 1 : 0,
                    Enumerable.Range(0, columns).Sum(j => right[r * columns + j] * right[s * columns + j]), 1e-12);
                Assert.Equal(r == s ? values[r] * values[r]
                    : 0, Enumerable.Range(0, rows).Sum(i => left[i * rank + r] * left[i * rank + s]), 1e-11);
            }
        // What is left over is what the other singular values hold (Eckart and Young).
        var rest = 0.0;
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                rest += Math.Pow(x[i * columns + j]
                    - Enumerable.Range(0, rank).Sum(r => left[i * rank + r] * right[r * columns + j]), 2);
        Assert.Equal(x.Sum(v => v * v) - values.Sum(v => v * v), rest, 1e-10);
    }

    [Fact]
    public void A_product_decomposes_like_the_matrix_it_is()
    {
        const int Rows = 8, Inner = 3, Columns = 6, Rank = 2;
        var (left, right) = (Normal(Rows * Inner, 2), Normal(Inner * Columns, 3));
        var whole = Multiply(left, right, Rows, Inner, Columns);
        var (u, v) = Svd.Truncated(whole, Rows, Columns, Rank);
        var (pu, pv) = Svd.OfProduct(left, right, Inner, Rank);
        AssertClose(Multiply(u, v, Rows, Rank, Columns), Multiply(pu, pv, Rows, Rank, Columns), 1e-12);
    }

    [Fact]
    public void A_matrix_of_zeros_decomposes_into_zeros()
    {
        var (left, right) = Svd.Truncated(new double[12], 3, 4, 2);
        Assert.All(left, v => Assert.Equal(0, v));
        Assert.All(right, v => Assert.False(double.IsNaN(v)));
        Assert.All(Svd.OfProduct(new double[6], Normal(8, 1), 2, 2).Left, v => Assert.Equal(0, v));
    }

    [Fact]
    public void Ties_prunes_elects_and_averages_as_by_hand()
    {
        // Of each tensor the two largest values stay: (3, -2, 0, 0) and (-1, 0, 0, 4); elected +, -, +, +.
        double[][] tensors() => [[3, -2, 1, 0.5], [-1, 0.1, 0.2, 4]];
        var options = new WeightedMergeOptions { Density = 0.5 };
        Assert.Equal([0.5 * 3, 0.5 * -2, 0, 2 * 4],
            CombinationRules.Combine(CombinationRule.Ties, tensors(), [0.5, 2], options, 0));
        Assert.Equal([0.5 * 3 + 2 * -1, 0.5 * -2, 0, 2 * 4],
            CombinationRules.Combine(CombinationRule.MagnitudePrune, tensors(), [0.5, 2], options, 0));
    }

    [Fact]
    public void The_frequent_sign_may_differ_from_that_of_the_sum()
    {
        double[][] tensors() => [[5], [-1], [-2]];
        Assert.Equal([5], CombinationRules.Combine(CombinationRule.Ties, tensors(), [1, 1, 1],
            new WeightedMergeOptions(), 0));
        Assert.Equal([-1.5], CombinationRules.Combine(CombinationRule.Ties, tensors(), [1, 1, 1],
            new WeightedMergeOptions { SignMethod = SignMethod.Frequency }, 0));
    }

    [Fact]
    public void Random_pruning_keeps_the_expectation_and_the_seed_decides()
    {
        var ones = Enumerable.Repeat(1.0, 20000).ToArray();
        double[] Prune(ulong seed) => CombinationRules.Combine(
            CombinationRule.DareLinear, [(double[])ones.Clone()], [1],
            new WeightedMergeOptions { Density = 0.3, Seed = seed }, 0);
        var pruned = Prune(1);
        Assert.Equal(1, pruned.Average(), 0.05);
        Assert.All(pruned, v => Assert.True(v == 0 || v == 1 / 0.3));
        Assert.Equal(pruned, Prune(1));
        Assert.NotEqual(pruned, Prune(2));
    }

    [Theory]
    [InlineData(0.7, -0.4)]
    [InlineData(1.5, 0.5)]
    public void Cat_is_the_exact_weighted_sum_of_the_changes(double first, double second)
    {
        using var setting = TwoAdapters(Config,
            Config with { R = 2, Targets = TargetModules.Of("q_proj", "up_proj", "embed_tokens") });
        var (a, b) = ((LoraAdapter)setting.Adapters[0], (LoraAdapter)setting.Adapters[1]);
        using var combined = LoraCombiner.Combine([a, b], [first, second],
            new WeightedMergeOptions { Rule = CombinationRule.Cat });
        using var svd = LoraCombiner.Combine([a, b], [first, second],
            new WeightedMergeOptions { UsesSvd = true, SvdRank = 5 });
        (a.Scale, b.Scale) = (first, second);
        var expected = setting.Scores(a, b);
        AssertClose(expected, setting.Scores(combined), 3e-5);
        AssertClose(expected, setting.Scores(svd), 3e-5);
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("svd")]
    [InlineData("ties")]
    [InlineData("dare_ties")]
    public void One_adapter_combined_is_its_weighted_self(string type)
    {
        using var setting = TwoAdapters(Config, Config);
        var adapter = (LoraAdapter)setting.Adapter;
        var (rule, usesSvd) = WeightedMergeOptions.Parse(type);
        using var combined = LoraCombiner.Combine([adapter], [-0.6],
            new WeightedMergeOptions { Rule = rule, UsesSvd = usesSvd, Density = 0.5 });
        adapter.Scale = -0.6;
        AssertClose(setting.Scores(adapter), setting.Scores(combined), 2e-5);
    }

    [Fact]
    public void A_combined_adapter_is_saved_and_loaded_like_any_other()
    {
        using var setting = TwoAdapters(Config, Config);
        using var folder = new TemporaryFolder();
        using var combined = LoraCombiner.Combine([.. setting.Adapters.Cast<LoraAdapter>()], [0.5, 0.5],
            new WeightedMergeOptions());
        AdapterFolder.Save(combined, folder.Root);
        using var loaded = AdapterFolder.Load(setting.Model, folder.Root);
        Assert.Equal(setting.Scores(combined), setting.Scores(loaded));
    }

    [Fact]
    public void What_cannot_be_combined_is_refused_with_a_reason()
    {
        using var setting = TwoAdapters(Config, Config with { R = 2 });
        using var heads = new Setting("gpt2", "lora", "lora");
        LoraAdapter[] unequal = [.. setting.Adapters.Cast<LoraAdapter>()];
        Assert.Contains("equal", Refusal(() => LoraCombiner.Combine(unequal, [1, 1], new WeightedMergeOptions())),
            StringComparison.Ordinal);
        Assert.Contains("weight per adapter",
            Refusal(() => LoraCombiner.Combine(unequal, [1], new WeightedMergeOptions())), StringComparison.Ordinal);
        Assert.Contains("score",
            Refusal(() => LoraCombiner.Combine([.. heads.Adapters.Cast<LoraAdapter>()], [1, 1],
                new WeightedMergeOptions())), StringComparison.Ordinal);
        Assert.Contains("combination_type", Refusal(() => WeightedMergeOptions.Parse("avarage")),
            StringComparison.Ordinal);
    }

    private static string Refusal(Action action) => Assert.Throws<UsageException>(action).Message;

    private static Setting TwoAdapters(LoraConfig first, LoraConfig second)
    {
        var setting = new Setting("llama", ModelTask.CausalLM);
        setting.Add(first);
        setting.Add(second);
        return setting;
    }

    private static double[] Normal(int count, ulong stream)
    {
        var random = new RandomStream(31, RandomPurpose.Test, stream);
        return [.. Enumerable.Range(0, count).Select(i => random.Normal((ulong)i))];
    }

    private static double[] Multiply(double[] x, double[] y, int rows, int inner, int columns)
    {
        var result = new double[rows * columns];
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                result[i * columns + j] = Enumerable.Range(0, inner).Sum(k => x[i * inner + k] * y[k * columns + j]);
        return result;
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], (float)tolerance);
    }
}
