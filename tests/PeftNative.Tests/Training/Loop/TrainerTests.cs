using PeftNative.Backends.Reference;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.PTuning;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Tests.Training.Loop;

public class TrainerTests
{
    private static readonly LoraConfig Config = new() { R = 2, Dropout = 0.2,
        Targets = new TargetModules(null, "all-linear") };

    public static TheoryData<string> Methods => ["lora", "ptuning", "prefix"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_resumed_run_is_bitwise_the_run_that_was_not_interrupted(string method)
    {
        using var folder = new TemporaryFolder();
        AdapterConfig config = method switch
        {
            "ptuning" => new PTuningConfig { VirtualTokenCount = 3 },
            "prefix" => new PrefixTuningConfig { VirtualTokenCount = 3, UsesProjection = true },
            _ => Config,
        };
        var options = new TrainerOptions { MaxSteps = 9, BatchSize = 2, GradientAccumulationSteps = 2,
            LearningRate = 1e-2, Output = folder["whole"] };
        var whole = Train(options, DType.Float32, config);
        foreach (var stop in (int[])[1, 4, 5])
        {
            var output = folder[$"stopped at {stop}"];
            Train(options with { Output = output }, DType.Float32, config, stopAfter: stop);
            var resumed = Train(options with { Output = output, ResumeFrom = RunFolder.FindLast(output) },
                DType.Float32, config);
            Assert.Equal(whole, resumed);
        }
    }

    [Fact]
    public void Accumulated_micro_batches_equal_one_large_batch()
    {
        var options = new TrainerOptions { MaxSteps = 4, Order = SamplingOrder.Sequential, LearningRate = 1e-2 };
        var large = Train(options with { BatchSize = 4 }, DType.Float64, Config with { Dropout = 0 });
        var small = Train(options with { BatchSize = 1, GradientAccumulationSteps = 4 }, DType.Float64,
            Config with { Dropout = 0 });
        for (var i = 0; i < large.Length; i++) Assert.Equal(large[i], small[i], 1e-6f);
    }

    public static TheoryData<string, int?> FrozenBelow => new(
        from method in (string[])["lora", "top-layers", "feed-forward"] from packing in (int?[])[null, 12]
            select (method, packing));

    [Theory]
    [MemberData(nameof(FrozenBelow))]
    public void Outputs_of_frozen_layers_are_reused_and_nothing_else_changes(string method, int? packing)
    {
        AdapterConfig config = method switch
        {
            "lora" => Config with { Targets = TargetModules.Of(["q_proj", "down_proj"]), Layers = [1] },
            "top-layers" => new TopLayersConfig(),
            _ => new LoraConfig { R = 1, Targets = TargetModules.Of(["up_proj"]), Layers = [1] },
        };
        var options = new TrainerOptions { Epochs = 3, BatchSize = 2, LearningRate = 1e-2, PackingBudget = packing };
        var cached = Train(options, DType.Float32, config,
            onEnd: t => Assert.Equal(2 * t.StepsPerEpoch, t.ReusedBatches));
        var plain = Train(options with { FrozenLayerCacheBytes = 0 }, DType.Float32, config,
            onEnd: t => Assert.Equal(0, t.ReusedBatches));
        Assert.Equal(plain, cached);
    }

    [Fact]
    public void Nothing_is_kept_where_every_layer_is_trained_or_memory_does_not_suffice()
    {
        var options = new TrainerOptions { Epochs = 3, BatchSize = 2 };
        Train(options, DType.Float32, onEnd: t => Assert.Equal(0, t.ReusedBatches));
        Train(options with { FrozenLayerCacheBytes = 100 }, DType.Float32,
            Config with { Targets = TargetModules.Of(["q_proj"]), Layers = [1] },
            onEnd: t => Assert.Equal(0, t.ReusedBatches));
    }

    [Fact]
    public void Training_lowers_the_loss_changes_the_adapter_and_leaves_the_base_alone()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        var before = model.Parameters.Select(p => HostValues.Download(backend, (p.TiedTo ?? p).Value)).ToList();
        using var adapter = (Config with { Dropout = 0 }).Create(model, 1, true, "default");
        var start = Values(adapter);
        using var trainer = new Trainer(model, adapter, TokenData(), TokenData(),
            new TrainerOptions { Epochs = 12, BatchSize = 3, LearningRate = 2e-2 });
        var losses = new List<double>();
        var result = trainer.Run(e => { if (e is EvalEvent eval)
            losses.Add(eval.Metrics["loss"]); }, TestContext.Current.CancellationToken);

        Assert.Equal(RunEnd.Completed, result.End);
        Assert.True(losses[^1] < 0.8 * losses[0], string.Join(" ", losses));
        Assert.NotEqual(start, Values(adapter));
        Assert.Equal(before, model.Parameters.Select(p => HostValues.Download(backend, (p.TiedTo ?? p).Value)));
    }

    [Fact]
    public void A_number_that_is_not_finite_stops_before_the_adapter_is_touched()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM);
        backend.Fill(model.Parameters.First(p => p.Name.EndsWith("mlp.c_fc.weight", StringComparison.Ordinal)).Value,
            float.NaN);
        using var adapter = Config.Create(model, 1, true, "default");
        var start = Values(adapter);
        using var trainer = new Trainer(model, adapter, TokenData(), null, new TrainerOptions { MaxSteps = 3 });
        var error = Assert.Throws<NumericException>(
            () => trainer.Run(cancellation: TestContext.Current.CancellationToken));
        Assert.Contains("step 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("lora", error.Message, StringComparison.Ordinal);
        Assert.Contains("toy:", error.Message, StringComparison.Ordinal);
        Assert.Equal(start, Values(adapter));
    }

    [Fact]
    public void Early_stopping_keeps_the_best_adapter()
    {
        using var folder = new TemporaryFolder();
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM);
        using var adapter = Config.Create(model, 1, true, "default");
        using var trainer = new Trainer(model, adapter, TokenData(), TokenData(other: true),
            new TrainerOptions { Epochs = 200, LearningRate = 0.05, LrScheduler = "constant", EarlyStoppingPatience = 3,
                Output = folder["run"], SaveSteps = 0 });
        var result = trainer.Run(cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(RunEnd.EarlyStopped, result.End);
        using var best = AdapterFolder.Load(model, folder["run/best"]);
        using var evaluator = new Evaluator(model, TokenData(other: true), 8, best);
        Assert.Equal(result.Best!["loss"], evaluator.Run(cancellation: TestContext.Current.CancellationToken)!["loss"]);
    }

    private static float[] Train(TrainerOptions options, DType type, AdapterConfig? config = null,
        int? stopAfter = null, Action<Trainer>? onEnd = null)
    {
        using var backend = ReferenceBackend.Create(type);
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var adapter = (config ?? Config).Create(model, 1, true, "default");
        using var trainer = new Trainer(model, adapter, TokenData(), null, options with { SaveSteps = 0 });
        using var stop = new CancellationTokenSource();
        var result = trainer.Run(e => { if (e is StepEvent s && s.Step == stopAfter) stop.Cancel(); }, stop.Token);
        Assert.Equal(stopAfter is null ? RunEnd.Completed : RunEnd.Cancelled, result.End);
        onEnd?.Invoke(trainer);
        return Values(adapter);
    }

    private static float[] Values(Adapter adapter) => HostValues.Download(adapter.Model.Backend, adapter.Buffer.Values);

    private static EncodedData TokenData(bool other = false)
    {
        var tokenizer = new ToyTokenizer();
        var texts = Enumerable.Range(0, 7)
            .Select(i => string.Join(' ',
                Enumerable.Range(0, 3 + i).Select(j => "abcde"[(i * j + (other ? 1 : 0)) % 5])));
        var records = texts.Select((t, i) => new TextRecord(t, null, null, new RecordOrigin("toy", i + 1)));
        return EncodedData.From(records,
            new ExampleEncoder(tokenizer, new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 16 }),
            cancellation: TestContext.Current.CancellationToken);
    }
}
