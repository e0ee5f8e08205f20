using PeftNative.Backends;
using PeftNative.Lab.Benchmarking;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>
/// What a training step takes: memory of the backend within its budget, and nothing from the garbage collector.
/// </summary>
public class StepMemoryTests
{
    private static readonly StepBenchmarkOptions Options = new()
    {
        Hidden = 64, Layers = 8, Heads = 4, KvHeads = 4, FeedForward = 176, Vocabulary = 512, Batch = 2, Sequence = 64,
        Targets = "all",
    };

    [Theory]
    [InlineData("lora", 1.0)]
    [InlineData("lora", 0.75)]
    [InlineData("lora", 0.5)]
    [InlineData("full", 0.75)]
    public void A_budget_is_kept(string method, double share)
    {
        var (whole, losses) = Peak(method, null);
        var least = Peak(method, 0).Bytes;
        Assert.True(least < 0.5 * whole, $"least {least}, whole {whole}");
        var budget = (long)(share * whole);
        var (bytes, limited) = Peak(method, budget);
        Assert.InRange(bytes, least, budget);
        Assert.True(share < 0.6 || bytes > 1.1 * least,
            $"{bytes} bytes of {budget} are used, {least} without keeping any");
        Assert.Equal(losses, limited);
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("ia3")]
    [InlineData("prefix")]
    public void A_step_allocates_no_managed_memory(string method)
    {
        using var backend = BackendFactory.Create("auto", threads: 2);
        var options = Options with { Method = method };
        using var model = ModelLoader.CreateRandom(backend, options.ModelConfig(), seed: 1);
        using var run = new StepRun(model, options.AdapterConfig(), StepRun.RandomBatch(options));
        for (var i = 0; i < 40; i++) run.Step(); // until no code is compiled any more
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) run.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_step_is_counted_without_the_ends_of_its_blocks()
    {
        using var backend = BackendFactory.Create("auto", threads: 2);
        using var arena = new Arena(backend, "test", grows: true);
        for (var round = 0; round < 2; round++)
        {
            arena.Reset();
            for (var i = 0; i < 40; i++)
            {
                arena.Allocate(DType.Float32, 300, 1000);
                arena.Allocate(DType.Float32, 1, 16);
            }
            Assert.Equal(40 * (1_200_000 + 64), arena.Peak);
        }
        Assert.Equal(arena.Peak, arena.Reserved);
    }

    [Fact]
    public void Full_fine_tuning_need_not_keep_the_base()
    {
        var (model, losses) = Train(ownsModel: false);
        var (none, same) = Train(ownsModel: true);
        Assert.Equal((true, 0), (model > 0, none));
        Assert.Equal(losses, same);

        static (long WeightBytes, double[] Losses) Train(bool ownsModel)
        {
            using var backend = BackendFactory.Create("auto", threads: 2);
            var options = Options with { Method = "full" };
            using var model = ModelLoader.CreateRandom(backend, options.ModelConfig(), seed: 1);
            using var run = new StepRun(model, options.AdapterConfig(), StepRun.RandomBatch(options),
                ownsModel: ownsModel);
            return (model.WeightBytes, Losses(run));
        }
    }

    private static (long Bytes, double[] Losses) Peak(string method, long? budget)
    {
        using var backend = BackendFactory.Create("auto", threads: 2);
        var options = Options with { Method = method };
        using var model = ModelLoader.CreateRandom(backend, options.ModelConfig(), seed: 1);
        using var run = new StepRun(model, options.AdapterConfig(), StepRun.RandomBatch(options), memoryBudget: budget);
        var losses = Losses(run);
        return (run.StepBytes, losses);
    }

    private static double[] Losses(StepRun run)
    {
        var losses = new double[3];
        for (var i = 0; i < losses.Length; i++)
        {
            run.Step();
            losses[i] = run.Loss;
        }
        return losses;
    }
}
