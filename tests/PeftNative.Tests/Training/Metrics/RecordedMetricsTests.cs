using PeftNative.Lab.Verification;
using PeftNative.Training.Metrics;
using PeftNative.Training.Metrics.Texts;
using Xunit;

namespace PeftNative.Tests.Training.Metrics;

/// <summary>Metrics against what other libraries computed, and rules that no recording holds.</summary>
public class RecordedMetricsTests
{
    [Fact]
    public void All_recorded_metrics_hold()
    {
        var failed = RecordedMetrics.Find(SharedFolder.PathOrSkip("recorded/metrics")).Select(c => c.Run())
            .Where(r => !r.Passed).Select(r => $"{r.Name}: {r.FirstFailure}");
        Assert.Empty(failed);
    }

    [Fact]
    public void Plain_tags_count_word_by_word_and_ORG_is_no_O()
    {
        string[] labels = ["O", "ORG", "PER"];
        var matrix = ConfusionMatrix.Of([1, 1, 2, 0], [1, 0, 2, 2], 3);
        var (precision, recall, f1) = PlainTags.Scores(labels, matrix);
        Assert.Equal(2 / 3.0, precision, 1e-12);
        Assert.Equal(2 / 3.0, recall, 1e-12);
        Assert.Equal(2 / 3.0, f1, 1e-12);
        Assert.False(EntityMetrics.HasPrefixes(labels));
        Assert.True(EntityMetrics.HasPrefixes(["O", "I-PER"]));
    }

    [Fact]
    public void Entities_in_BILOU_are_those_of_IOBES()
    {
        var (bilou, iobes) = (new EntityMetrics(), new EntityMetrics());
        bilou.Add(["B-A", "L-A", "U-A", "B-A", "L-A"], ["B-A", "L-A", "U-A", "O", "O"]);
        iobes.Add(["B-A", "E-A", "S-A", "B-A", "E-A"], ["B-A", "E-A", "S-A", "O", "O"]);
        Assert.Equal(2 / 3.0, bilou.Recall, 1e-12);
        Assert.Equal(iobes.Recall, bilou.Recall);
    }

    [Theory]
    [InlineData(new[] { 0.9, 0.2, 0.4, 0.1 }, new[] { true, false, true, false }, 0.3)]
    [InlineData(new[] { 0.5, 0.5, 0.1 }, new[] { true, false, false }, 0.3)]
    [InlineData(new[] { 0.2, 0.1 }, new[] { true, true }, 0.1)]
    public void The_best_threshold_lies_in_the_middle_of_the_gap(double[] scores, bool[] labels, double threshold) =>
        Assert.Equal(threshold, new MultiLabelMetrics([.. labels.Select(l => new[] { l })],
            [.. scores.Select(s => new[] { s })], 0.5).BestThresholds()[0], 1e-12);

    [Fact]
    public void A_label_without_records_keeps_its_threshold() =>
        Assert.Equal(0.5, new MultiLabelMetrics([[false]], [[0.9]], 0.5).BestThresholds()[0]);

    [Fact]
    public void Counts_of_a_corpus_are_sums()
    {
        var sum = ErrorRate.OfWords("a b c", "a x c") + ErrorRate.OfWords("d", "d e f");
        Assert.Equal(new ErrorRate(3, 1, 0, 2), sum);
        Assert.Equal(3 / 4.0, sum.Rate, 1e-12);
    }
}
