using PeftNative.Backends.Reference;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Quantization;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Training.Loop;
using PeftNative.Training.Optimization;
using Xunit;

namespace PeftNative.Tests.Training.Loop;

/// <summary>A checkpoint goes on as the run that it is of, or not at all.</summary>
public sealed class ResumeTests : IDisposable
{
    private static readonly LoraConfig Lora = new() { R = 2, Alpha = 4, Targets = TargetModules.Of(["q", "v"]) };

    private static readonly TrainerOptions Options =
        new() { MaxSteps = 2, BatchSize = 2, LearningRate = 1e-2, SaveSteps = 1, SaveTotalLimit = 9 };

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>What differs, and what the error says of it.</summary>
    private static readonly Dictionary<string, (Func<Case, Case> Change, string Said)> Others = new()
    {
        ["lora_alpha"] = (c => c with { Method = Lora with { Alpha = 8 } }, "lora_alpha is 4 there, 8 here"),
        ["use_rslora"] = (c => c with { Method = Lora with { UseRsLora = true } },
            "use_rslora is false there, true here"),
        ["lora_dropout"] = (c => c with { Method = Lora with { Dropout = 0.5 } },
            "lora_dropout is 0.0 there, 0.5 here"),
        ["target_modules"] = (c => c with { Method = Lora with { Targets = TargetModules.Of(["k", "o"]) } },
            """target_modules is ["q", "v"] there, ["k", "o"] here"""),
        ["alpha_pattern"] = (c => c with { Method = Lora with { AlphaPattern = [("q", 9)] } },
            "q is null there, 9 here"),
        ["method"] = (c => c with { Method = new BottleneckConfig() },
            "of another run: method is \"LORA\" there, \"BOTTLENECK\" here."),
        ["base weights"] = (c => c with { BaseSeed = 8 }, "the checkpoint of the base is another"),
        ["base configuration"] = (c => c with { Family = "t5-scaled" }, "the base configuration is another"),
        ["targets"] = (c => c with { Target = "b a" }, "the training data is another"),
        ["sources"] = (c => c with { Source = "e d" }, "the training data is another"),
        ["seed"] = (c => c with { Options = Options with { Seed = 43 } }, "seed is \"42\" there, \"43\" here"),
        ["batch_size"] = (c => c with { Options = Options with { BatchSize = 3 } }, "batch_size is 2 there, 3 here"),
        ["accumulation"] = (c => c with { Options = Options with { GradientAccumulationSteps = 2 } },
            "gradient_accumulation_steps is 1 there, 2 here"),
        ["order"] = (c => c with { Options = Options with { Order = SamplingOrder.GroupedByLength } },
            "order of the examples"),
        ["dtype"] = (c => c with { Type = DType.Float64 }, "dtype is \"fp32\" there, \"fp64\" here"),
        ["quantization"] = (c => c with { Quantization = new QuantizationOptions() },
            "quantization is null there, \"Nf4"),
    };

    public static TheoryData<string> OtherNames => [.. Others.Keys];

    [Theory]
    [MemberData(nameof(OtherNames))]
    public void What_makes_another_run_is_refused_by_name(string name)
    {
        var first = new Case();
        Run(first, folder["run"], from: null);
        var checkpoint = Path.Combine(folder["run"], "checkpoint-1");
        var (change, said) = Others[name];
        var error = Assert.Throws<UsageException>(() => Run(change(first), folder["other"], checkpoint));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["other"]));
        Run(first, folder["other"], checkpoint);
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder["run"], "adapter_model.safetensors")),
            File.ReadAllBytes(Path.Combine(folder["other"], "adapter_model.safetensors")));
    }

    [Fact]
    public void Length_rate_optimizer_saving_and_the_order_of_names_may_change()
    {
        Run(new Case(), folder["run"], from: null);
        var other = Options with { MaxSteps = 3, LearningRate = 1e-3, LrScheduler = "constant", SaveSteps = 0,
            Optimizer = new AdamWOptions { WeightDecay = 0.1 } };
        Run(new Case { Options = other, Method = Lora with { Targets = TargetModules.Of(["v", "q"]) } },
            folder["longer"], Path.Combine(folder["run"], "checkpoint-1"));
        Assert.True(File.Exists(Path.Combine(folder["longer"], "adapter_model.safetensors")));
    }

    [Fact]
    public void A_checkpoint_just_saved_is_kept_beside_later_ones_that_were_there()
    {
        Run(new Case { Options = Options with { MaxSteps = 5 } }, folder["run"], from: null);
        var other = new Case { Options = Options with { MaxSteps = 3, LearningRate = 1e-3, SaveTotalLimit = 1 } };
        Run(other, folder["run"], Path.Combine(folder["run"], "checkpoint-1"));
        Assert.Equal(Path.Combine(folder["run"], "checkpoint-2"), RunFolder.FindLast(folder["run"]));
    }

    [Fact]
    public void A_best_score_is_kept_for_its_own_metric_and_data_only()
    {
        var first = new Case { Eval = "a b" };
        Run(first, folder["run"], from: null);
        var checkpoint = Path.Combine(folder["run"], "checkpoint-1");
        var data = Assert.Throws<UsageException>(() => Run(first with { Eval = "c d" }, folder["other"], checkpoint));
        Assert.Contains("the evaluation data is another", data.Message, StringComparison.Ordinal);
        var metric = Assert.Throws<UsageException>(() =>
            Run(first with { Options = Options with { BestMetric = "token_accuracy" } }, folder["other"], checkpoint));
        Assert.Contains("metric is \"loss\" there, \"token_accuracy\" here", metric.Message, StringComparison.Ordinal);
        Run(first, folder["other"], checkpoint);
    }

    private static void Run(Case run, string output, string? from)
    {
        using var backend = ReferenceBackend.Create(run.Type);
        using var model = run.Model(backend);
        using var adapter = run.Method.Create(model, 1, trainable: true, "default");
        var held = run.Eval is { } target ? run.Data(target) : null;
        using var trainer = new Trainer(model, adapter, run.Data(run.Target), held,
            run.Options with { Output = output, ResumeFrom = from, EvalSteps = held is null ? null : 1 });
        trainer.Run(cancellation: TestContext.Current.CancellationToken);
    }

    private sealed record Case
    {
        public AdapterConfig Method { get; init; } = Lora;
        public TrainerOptions Options { get; init; } = ResumeTests.Options;
        public string Family { get; init; } = "t5";
        public ulong BaseSeed { get; init; } = 7;
        public string Source { get; init; } = "d e";
        public string Target { get; init; } = "a b";
        public string? Eval { get; init; }
        public DType Type { get; init; } = DType.Float32;
        public QuantizationOptions? Quantization { get; init; }

        public TransformerModel Model(IBackend backend)
        {
            var json = StrictJson.ParseObject(System.Text.Encoding.UTF8.GetBytes(TinyModels.Configs["t5"]));
            var config = FamilyTable.Read(json) with { Task = ModelTask.SequenceToSequence };
            if (Family != "t5") config = config with { NormEpsilon = 1e-3 };
            return ModelLoader.CreateRandom(backend, config, BaseSeed, Quantization,
                TestContext.Current.CancellationToken);
        }

        public EncodedData Data(string target)
        {
            var tokenizer = new ToyTokenizer();
            tokenizer.Encode("a b c d e a"); // ids go by the order in which words are met
            return EncodedData.From(
                Enumerable.Range(0, 5).Select(i =>
                    new PromptRecord($"{Source} {"abcde"[i]}", target, new RecordOrigin("toy", i + 1))),
                new ExampleEncoder(tokenizer,
                    new EncodingOptions { Task = ModelTask.SequenceToSequence, MaxLength = 16 }),
                cancellation: TestContext.Current.CancellationToken);
        }
    }
}
