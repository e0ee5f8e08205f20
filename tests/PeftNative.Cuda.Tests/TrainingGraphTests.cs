using PeftNative.Cuda.Driver;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Models.Loading;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.PTuning;
using PeftNative.Tensors;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// Runs of the trainer as graphs of the device: the bits of runs without them, a bounded number of graphs, errors that
/// harm nothing.
/// </summary>
public sealed class TrainingGraphTests
{
    private static readonly LoraConfig Lora = new() { R = 3, Dropout = 0.1,
        Targets = new TargetModules(null, "all-linear") };

    /// <summary>
    /// Layouts that come again in an order of their own, evaluations that take and give back memory in between,
    /// clipping.
    /// </summary>
    [Theory]
    [InlineData("lora", null, 9)]
    [InlineData("lora", 60_000, 9)]
    [InlineData("p-tuning", null, 9)]
    public void A_run_replays_what_comes_again_and_gives_the_same_bits(string method, int? budget, int least)
    {
        AdapterConfig config = method == "lora" ? Lora
            : new PTuningConfig { VirtualTokenCount = 2, Encoder = PromptEncoderKind.Lstm, EncoderHiddenSize = 4 };
        var options = new TrainerOptions
        {
            Epochs = 4, BatchSize = 1, GradientAccumulationSteps = 2, LearningRate = 1e-2, EvalSteps = 5,
            MemoryBudgetBytes = budget,
        };
        var before = Emulator.Live();
        var plain = Train(config, options with { UseGraphs = false }, Data(3, 4, 3, 5, 4, 3),
            trainer => Assert.Equal(0, trainer.ReplayedBatches));
        var replayed = Train(config, options, Data(3, 4, 3, 5, 4, 3),
            trainer => Assert.InRange(trainer.ReplayedBatches, least, 24 - 3 - 3));
        Assert.Equal(plain, replayed);
        Assert.Equal(before, Emulator.Live());
    }

    [Fact]
    public void Few_graphs_are_kept_and_layouts_that_hardly_come_again_are_left_alone()
    {
        var kept = 0;
        var options = new TrainerOptions { Epochs = 6, BatchSize = 1, LearningRate = 1e-2,
            Order = SamplingOrder.Sequential };
        Train(new LoraConfig { R = 1 }, options, Data([.. Enumerable.Range(2, 20)]), trainer =>
        {
            Assert.InRange(trainer.ReplayedBatches, 20, 80);
            kept = int.Parse(Emulator.Live().Split("executables ")[1].Split(',')[0],
                System.Globalization.CultureInfo.InvariantCulture);
        });
        Assert.InRange(kept, 8, 16);
    }

    /// <summary>
    /// A refused recording is told of once and the run goes on without; a device that does not answer any more ends it.
    /// </summary>
    [Theory]
    [InlineData("cuStreamBeginCapture_v2", true)]
    [InlineData("cuGraphInstantiateWithFlags", true)]
    [InlineData("cuGraphLaunch", false)]
    [InlineData("cuStreamEndCapture", false)]
    public void A_call_that_fails_is_one_note_or_one_error(string call, bool goesOn)
    {
        var options = new TrainerOptions { MaxSteps = 4, BatchSize = 1, LearningRate = 1e-2 };
        var plain = Train(Lora, options, Data(4, 4));
        foreach (var result in (CudaResult[])[CudaResult.InvalidValue, CudaResult.LaunchFailed])
        {
            var before = Emulator.Live();
            var warnings = new List<string>();
            float[] trained = [];
            Emulator.Fail(1, result, call);
            var error = Record.Exception(() => trained = Train(Lora, options, Data(4, 4), told: e =>
            {
                if (e is WarningEvent warning) warnings.Add(warning.Message);
            }));
            Emulator.Fail(0, CudaResult.Success);
            Assert.Equal(before, Emulator.Live());
            if (goesOn && result == CudaResult.InvalidValue)
            {
                Assert.Null(error);
                Assert.Contains(call == "cuGraphInstantiateWithFlags" ? "cuGraphInstantiate answered"
                    : "cuStreamBeginCapture answered", Assert.Single(warnings), StringComparison.Ordinal);
                Assert.Equal(plain, trained);
            }
            else
            {
                Assert.Contains("answered CUDA_ERROR", Assert.IsType<CudaException>(error).What,
                    StringComparison.Ordinal);
            }
        }
    }

    private static float[] Train(
        AdapterConfig config, TrainerOptions options, EncodedData data, Action<Trainer>? atEnd = null,
        Action<TrainEvent>? told = null)
    {
        using var backend = Emulator.Open();
        var (model, _) = ModelLoader.Load(backend,
            Path.Combine(AppContext.BaseDirectory, "golden", "bases", "llama-causal"));
        using var held = model;
        using var adapter = config.Create(model, 1, true, "default");
        using var trainer = new Trainer(model, adapter, data, options.EvalSteps is null ? null : Data(6, 2), options);
        Assert.Equal(RunEnd.Completed, trainer.Run(told, TestContext.Current.CancellationToken).End);
        atEnd?.Invoke(trainer);
        return HostValues.Download(backend, adapter.Buffer.Values);
    }

    private static EncodedData Data(params int[] lengths) => EncodedData.Of([.. lengths.Select((length, i) =>
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(j => (7 * i + 5 * j + 1) % 97)];
        return new Example { Ids = ids, Labels = ids, Origin = new RecordOrigin("made up", i + 1) };
    })]);
}
