using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Preparation;
using PeftNative.Data.Reading;
using Xunit;

namespace PeftNative.Tests.Data.Preparation;

/// <summary>Rows as TRL packs them.</summary>
public class RowPackingTests
{
    private static string Packed(PackingStrategy strategy, int length, params int[] lengths)
    {
        var next = 0;
        LabelledTokens[] sequences = [.. lengths.Select((n, i) =>
        {
            int[] ids = [.. Enumerable.Range(next, n)];
            next += n;
            return new LabelledTokens(ids, ids, i);
        })];
        return string.Join(" | ", RowPacking.Pack(sequences, strategy, length)
            .Select(row => string.Join(" ", row.Select(s => $"{s.Ids[0]}-{s.Ids[^1]}"))));
    }

    [Theory]
    [InlineData(PackingStrategy.BestFit, "3-10 | 12-16 0-2 | 17-20")] // the longest first, and cut off
    [InlineData(PackingStrategy.BestFitSplit, "3-10 | 12-16 0-2 | 17-20 11-11")]
    [InlineData(PackingStrategy.Wrapped, "0-7 | 8-15 | 16-20")]
    public void Rows_are_filled_as_their_strategy_says(PackingStrategy strategy, string expected) =>
        Assert.Equal(expected, Packed(strategy, 8, 3, 9, 5, 4));

    [Fact]
    public void Of_equal_rows_the_oldest_takes_the_next_and_the_fullest_comes_first()
    {
        Assert.Equal("0-4 10-12 | 5-9", Packed(PackingStrategy.BestFit, 8, 5, 5, 3));
        Assert.Equal("5-10 11-12 | 0-4", Packed(PackingStrategy.BestFit, 8, 5, 6, 2));
    }

    [Fact]
    public void Rows_are_packed_in_blocks_of_a_thousand() => Assert.Equal(501 + 1,
        RowPacking.Pack([.. Enumerable.Range(0, 1003).Select(i => new LabelledTokens([i], [i], i))],
            PackingStrategy.BestFit, 2).Count);

    [Fact]
    public void An_unknown_strategy_is_named()
    {
        Assert.Equal(PackingStrategy.BestFitSplit, RowPacking.Parse("bfd-requeue"));
        Assert.Contains("'ffd'", Assert.Throws<UsageException>(() => RowPacking.Parse("ffd")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Pieces_of_an_example_learn_what_has_something_before_it()
    {
        var data = EncodedData.Of([Example(1, [-100, 11, 12, 13]), Example(2, [-100, -100])]);
        var packed = PackedExamples.Pack(data, PackingStrategy.BestFitSplit, 3);
        // A piece of one token has nothing to learn, and a row of such pieces neither.
        Assert.Equal("-100,11,12", string.Join(",", Assert.Single(packed.Examples).Labels!));
        Assert.Equal(2, Assert.Single(packed.Skipped).Origin.Line);
        var loader = new BatchLoader(packed.Examples, 1, 0, SamplingOrder.Sequential, rows: packed.Rows);
        Assert.Equal(packed.Rows!.Count, loader.BatchesPerEpoch);
        Assert.Equal([0, 3], loader.Load(0).Offsets);
    }

    private static Example Example(int line, int[] labels) => new()
    {
        Ids = [.. labels.Select(Math.Abs)], Labels = labels, Origin = new RecordOrigin("a", line),
    };
}
