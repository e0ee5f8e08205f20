using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using Xunit;

namespace PeftNative.Tests.Data;

public class BatchingTests
{
    private static readonly int[] Lengths = [.. Enumerable.Range(0, 103).Select(i => 1 + i * 37 % 50)];

    private static int[] Items(BatchSampler sampler, long step) => sampler.Items(step).ToArray();

    [Theory]
    [InlineData(SamplingOrder.Sequential)]
    [InlineData(SamplingOrder.Shuffled)]
    [InlineData(SamplingOrder.GroupedByLength)]
    public void Every_epoch_takes_every_item_once(SamplingOrder order)
    {
        var sampler = new BatchSampler(Lengths, 4, 7, order);
        Assert.Equal(26, sampler.BatchesPerEpoch);
        for (var epoch = 0; epoch < 3; epoch++)
        {
            var batches = Enumerable.Range(epoch * 26, 26).Select(step => Items(sampler, step)).ToList();
            Assert.Equal(Enumerable.Range(0, 103), batches.SelectMany(b => b).Order());
            Assert.Equal(1, batches.Count(b => b.Length == 3));
            Assert.Equal(25, batches.Count(b => b.Length == 4));
        }
    }

    [Theory]
    [InlineData(SamplingOrder.Shuffled)]
    [InlineData(SamplingOrder.GroupedByLength)]
    public void A_batch_depends_on_seed_and_step_only(SamplingOrder order)
    {
        var forward = new BatchSampler(Lengths, 4, 7, order);
        var inOrder = Enumerable.Range(0, 60).Select(step => Items(forward, step)).ToArray();
        var backward = new BatchSampler(Lengths, 4, 7, order);
        for (var step = 59; step >= 0; step--) Assert.Equal(inOrder[step], Items(backward, step));
        Assert.NotEqual(inOrder[0], inOrder[26]);
        Assert.NotEqual(inOrder[0], Items(new BatchSampler(Lengths, 4, 8, order), 0));
    }

    [Fact]
    public void Grouping_puts_similar_lengths_together_and_still_mixes()
    {
        static double Spread(BatchSampler sampler) => Enumerable.Range(0, sampler.BatchesPerEpoch)
            .Average(step => Items(sampler, step) is var items
                ? items.Max(i => Lengths[i]) - items.Min(i => Lengths[i])
                : 0);
        var grouped = new BatchSampler(Lengths, 4, 7, SamplingOrder.GroupedByLength);
        Assert.True(Spread(grouped) < 0.3 * Spread(new BatchSampler(Lengths, 4, 7)));
        var longest = Enumerable.Range(0, 26).Select(step => Items(grouped, step).Max(i => Lengths[i])).ToList();
        Assert.NotEqual(longest.Order(), longest);
    }

    [Fact]
    public void Sequential_is_the_order_of_the_file() =>
        Assert.Equal([4, 5, 6, 7], Items(new BatchSampler(Lengths, 4, 7, SamplingOrder.Sequential), 1));

    [Fact]
    public void Impossible_batches_are_refused()
    {
        Assert.Throws<UsageException>(() => new BatchSampler(Lengths, 0, 1));
        Assert.Throws<UsageException>(() => new BatchSampler([], 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchSampler(Lengths, 1, 1).Items(-1));
        Assert.Throws<UsageException>(() => HoldOut.Split(10, 10, 1));
    }

    [Fact]
    public void Held_out_examples_are_apart_from_the_others()
    {
        var (train, held) = HoldOut.Split(100, 20, 5);
        Assert.Equal(20, held.Length);
        Assert.Equal(Enumerable.Range(0, 100), train.Concat(held).Order());
        Assert.NotEqual(Enumerable.Range(0, 20), held);
        Assert.Equal(held, HoldOut.Split(100, 20, 5).Held);
    }

    [Theory]
    [InlineData("5 5 5 5", 10, "0,1|2,3")]
    [InlineData("7 3 6 4 2 2", 10, "0,1|2,3|4,5")]
    [InlineData("9 1 8 2 10", 10, "0,1|2,3|4")]
    [InlineData("10 10", 10, "0|1")]
    [InlineData("1 8 2 9", 10, "0,3|1,2")]
    [InlineData("", 10, "")]
    public void Packing_puts_each_example_where_it_leaves_the_least_room(string lengths, int budget, string rows)
    {
        int[] parsed = [.. lengths.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        Assert.Equal(rows, string.Join('|', Packer.Pack(parsed, budget).Select(row => string.Join(',', row))));
    }

    [Fact]
    public void Packing_loses_nothing_and_wastes_little()
    {
        var rows = Packer.Pack(Lengths, 64);
        Assert.Equal(Enumerable.Range(0, Lengths.Length), rows.SelectMany(r => r).Order());
        Assert.All(rows, row => Assert.True(row.Sum(i => Lengths[i]) <= 64));
        var fewest = (Lengths.Sum() + 63) / 64;
        Assert.True(rows.Length <= fewest * 1.1, $"{rows.Length} rows where {fewest} might do");
        Assert.Throws<ArgumentException>(() => Packer.Pack([5, 11], 10));
    }

    private static Example Text(params int[] ids) => new()
    {
        Ids = ids,
        Labels = [Example.Masked, .. ids[1..]],
        Origin = new RecordOrigin("f", ids[0]),
    };

    [Fact]
    public void A_batch_lays_sequences_side_by_side_without_padding()
    {
        var batch = Batch.Of([Text(1, 2, 3), Text(4), Text(5, 6)]);
        Assert.Equal([1, 2, 3, 4, 5, 6], batch.TokenIds);
        Assert.Equal([0, 3, 4, 6], batch.Offsets);
        Assert.Equal([0, 1, 2, 0, 0, 1], batch.Positions);
        Assert.Equal([-100, 2, 3, -100, -100, 6], batch.Labels!);
        Assert.Equal((3, 6, 3), (batch.Sequences, batch.Tokens, batch.TrainedTokens));
        Assert.Null(batch.TokenTypes);
        Assert.Null(batch.Classes);
        Assert.Equal([1L, 4L, 5L], batch.Examples.Select(e => e.Origin.Line));
    }

    [Fact]
    public void A_batch_carries_every_kind_of_target()
    {
        var origin = new RecordOrigin("f", 1);
        var batch = Batch.Of(
        [
            new Example { Ids = [1], TokenTypes = [0], Class = 2, Targets = [0, 1], DecoderIds = [7, 8],
                Origin = origin },
            new Example { Ids = [2, 3], TokenTypes = [0, 1], Class = 0, Targets = [1, 1], DecoderIds = [9],
                Origin = origin },
        ]);
        Assert.Equal([0, 0, 1], batch.TokenTypes!);
        Assert.Equal([2, 0], batch.Classes!);
        Assert.Equal([0f, 1f, 1f, 1f], batch.Targets!);
        Assert.Equal([7, 8, 9], batch.DecoderIds!);
        Assert.Equal([0, 2, 3], batch.DecoderOffsets!);
        Assert.Throws<ArgumentException>(() => Batch.Of([]));
        Assert.Throws<ArgumentException>(() => Batch.Of([Text(1), new Example { Ids = [1], Origin = origin }]));
    }

    [Fact]
    public void The_loader_gives_the_batch_of_any_step_packed_or_not()
    {
        Example[] examples = [.. Enumerable.Range(1, 20).Select(i => Text([.. Enumerable.Range(i, 1 + i % 5)]))];
        var plain = new BatchLoader(examples, 3, seed: 1);
        Assert.Equal(7, plain.BatchesPerEpoch);
        Assert.Equal(Enumerable.Range(1, 20),
            Enumerable.Range(0, 7).SelectMany(s => plain.Load(s).Examples).Select(e => e.Ids[0]).Order());
        var packed = new BatchLoader(examples, 1, seed: 1, packingBudget: 10);
        Assert.Equal(6, packed.BatchesPerEpoch);
        Assert.All(Enumerable.Range(0, 6), step => Assert.True(packed.Load(step).Tokens <= 10));
        Assert.Equal(Enumerable.Range(1, 20),
            Enumerable.Range(0, 6).SelectMany(s => packed.Load(s).Examples).Select(e => e.Ids[0]).Order());
        Assert.Equal(
            packed.Load(8).TokenIds, new BatchLoader(examples, 1, seed: 1, packingBudget: 10).Load(8).TokenIds);
    }
}
