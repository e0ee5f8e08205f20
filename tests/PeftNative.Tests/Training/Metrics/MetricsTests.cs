using PeftNative.Lab.Verification;
using PeftNative.Training.Metrics;
using Xunit;

namespace PeftNative.Tests.Training.Metrics;

public class MetricsTests
{
    [Fact]
    public void Every_recorded_number_of_the_reference_libraries_is_matched()
    {
        var result = MetricsVerifier.Verify(SharedFolder.PathOrSkip("golden/training/metrics.json"));
        Assert.True(result.Passed, result.FirstFailure);
        Assert.True(result.Checked >= 180, $"only {result.Checked} numbers were compared");
    }

    [Fact]
    public void Wrong_and_unknown_recorded_numbers_are_found()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, """
                {"regression":[{"labels":[1.0,2.0],"predictions":[1.0,4.0],"mse":2.0,"mae":1.5,"kendall":1.0}],
                 "bleu":[{}]}
                """);
            var result = MetricsVerifier.Verify(path);
            Assert.Equal((4, 3), (result.Checked, result.Failed));
            Assert.Contains("regression 0, mae", result.FirstFailure);
            File.WriteAllText(path, """{"regression":[{"labels":"none"}]}""");
            Assert.Throws<DataException>(() => MetricsVerifier.Verify(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Classes_that_never_occur_do_not_lower_the_macro_average()
    {
        var matrix = ConfusionMatrix.Of([0, 1, 1, 0], [0, 1, 1, 1], classes: 4);
        Assert.Equal((2.0 / 3 + 4.0 / 5) / 2, matrix.F1(Averaging.Macro), 12);
        Assert.Equal(0.75, matrix.Accuracy);
        Assert.Equal(1, matrix[0, 1]);
        Assert.Throws<UsageException>(() => matrix.F1(Averaging.Binary));
    }

    [Fact]
    public void A_constant_prediction_correlates_with_nothing()
    {
        Assert.Equal(0, ConfusionMatrix.Of([0, 1, 1, 0], [1, 1, 1, 1], 2).Matthews);
        Assert.True(double.IsNaN(RegressionMetrics.Pearson([1, 2, 3], [5, 5, 5])));
        Assert.Equal(0, new ConfusionMatrix(3).F1(Averaging.Macro));
    }

    [Fact]
    public void Spearman_sees_order_only_and_shares_ranks()
    {
        Assert.Equal(1, RegressionMetrics.Spearman([1, 2, 3, 4], [1, 10, 100, 1000]), 12);
        Assert.Equal([1.5, 3, 1.5, 4], RegressionMetrics.Ranks([0.0, 1, -0.0, 2]));
    }

    [Theory]
    [InlineData("B-PER I-PER O B-LOC", "PER 0 1,LOC 3 3")]
    [InlineData("I-PER I-PER O I-LOC", "PER 0 1,LOC 3 3")]
    [InlineData("B-PER B-PER I-LOC", "PER 0 0,PER 1 1,LOC 2 2")]
    [InlineData("B-X I-X E-X E-X S-X I-X", "X 0 2,X 3 3,X 4 4,X 5 5")]
    [InlineData("B I O I", "_ 0 1,_ 3 3")]
    [InlineData("B-A-B I-A-B", "A-B 0 1")]
    [InlineData("ORG ORG PER O", "ORG 0 1,PER 2 2")]
    [InlineData("O O", "")]
    [InlineData("I-PER", "PER 0 0")]
    public void Entities_follow_the_lenient_rule(string tags, string expected) =>
        Assert.Equal(expected,
            string.Join(',', EntityMetrics.Entities(tags.Split(' ')).Select(e => $"{e.Type} {e.First} {e.Last}")));

    [Fact]
    public void Entities_of_different_texts_are_never_joined()
    {
        var metrics = new EntityMetrics();
        metrics.Add(["O", "I-PER"], ["O", "I-PER"]);
        metrics.Add(["I-PER", "O"], ["I-PER", "O"]);
        Assert.Equal((1, 1, 1), (metrics.Precision, metrics.Recall, metrics.F1));
        metrics.Add(["B-LOC"], ["O"]);
        Assert.Equal(2 / 3.0, metrics.Recall, 12);
    }

    [Fact]
    public void Area_under_the_curve_counts_ties_half_and_leaves_empty_labels_out()
    {
        var metrics = new MultiLabelMetrics(
            [[true, true], [false, true], [true, true]], [[0.5, 0.1], [0.5, 0.2], [0.9, 0.3]], 0.5);
        Assert.Equal(0.75, metrics.RocAucMacro, 12);
        Assert.Equal(0, metrics.ExactMatch);
        Assert.Equal(2 * 2 / 8.0, metrics.F1Micro, 12);
    }

    [Fact]
    public void Rouge_of_an_empty_text_is_zero()
    {
        Assert.Equal(default, Rouge.Ngrams("a b", "", 1));
        Assert.Equal(default, Rouge.LongestCommonSubsequence("...", "a"));
        Assert.Equal(new OverlapScore(1, 1, 1), Rouge.Ngrams("Don't stop", "don t STOP!", 2));
    }
}
