using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.PTuning;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Finite differences through whole models for every method, family and task, those that the reference cannot run
/// included (prompt and P-tuning on token classification, prefix tuning on DistilBERT).
/// </summary>
[Trait("Pace", "slow")]
public class MethodGradientTests
{
    private static readonly (string Family, ModelTask Task, ProblemType? Problem)[] Models =
    [
        ("gpt2", ModelTask.CausalLM, null), ("gpt2", ModelTask.SequenceClassification, ProblemType.SingleLabel),
        ("gpt2", ModelTask.TokenClassification, null), ("llama", ModelTask.CausalLM, null),
        ("llama", ModelTask.SequenceClassification, ProblemType.MultiLabel), ("llama-yarn", ModelTask.CausalLM, null),
        ("bert", ModelTask.SequenceClassification, ProblemType.SingleLabel),
        ("bert", ModelTask.SequenceClassification, ProblemType.Regression),
        ("bert", ModelTask.TokenClassification, null),
        ("distilbert", ModelTask.SequenceClassification, ProblemType.SingleLabel),
        ("distilbert", ModelTask.TokenClassification, null),
        ("t5", ModelTask.SequenceToSequence, null),
    ];

    public static TheoryData<string, string, ModelTask, ProblemType?> Cases
    {
        get
        {
            var cases = new TheoryData<string, string, ModelTask, ProblemType?>();
            foreach (var method in Variants.All.Keys)
                foreach (var (family, task, problem) in Models)
                    // PEFT has no default targets there
                    if (family == "distilbert" && method is "lora" or "dora" or "ia3") continue;
                    // these have no biases
                    else if (method != "bitfit" || family is not ("llama-yarn" or "t5"))
                        cases.Add(method, family, task, problem);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_method_matches_finite_differences(string method, string family, ModelTask task,
        ProblemType? problem) =>
        ModelGradients.Check(family, task, problem, Variants.All[method]);

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    public void Ia3_on_all_linear_layers_matches_finite_differences(string family) =>
        ModelGradients.Check(family, ModelTask.CausalLM, null,
        new Ia3Config { StartsAtOne = false, Targets = new TargetModules(null, "all-linear"),
            FeedForward = new TargetModules(null, ".*(c_attn|q_proj|up_proj)") });

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("bert")]
    public void Every_setting_of_bottlenecks_matches_finite_differences(string family)
    {
        var task = family == "bert" ? ModelTask.SequenceClassification : ModelTask.CausalLM;
        var config = BottleneckConfig.Pfeiffer with { AfterAttention = true, NonLinearity = "tanh",
            ReductionFactor = 2.5 };
        BottleneckConfig[] settings =
        [
            config with { ScalingKind = BottleneckScaling.Channel }, config with { ResidualBeforeNorm = false },
            config with { ResidualBeforeNorm = false, NormBefore = false, Dropout = 0.3 },
            config with { Dropout = 0.3, Scaling = 2 },
            config with { LeaveOut = [0] },
            config with { LayerReductionFactors = new Dictionary<int, double> { [1] = 100 } },
            BottleneckConfig.Parallel with { AfterAttention = true, Initialization = BottleneckInitialization.Houlsby,
                NonLinearity = "gelu_new" },
        ];
        foreach (var setting in settings) ModelGradients.Check(family, task, null, setting);
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("ia3")]
    [InlineData("prompt")]
    [InlineData("prefix-mlp")]
    [InlineData("houlsby")]
    public void Methods_on_a_gated_encoder_decoder_of_odd_sizes_match_finite_differences(string method) =>
        ModelGradients.Check("t5-gated", ModelTask.SequenceToSequence, null, Variants.All[method]);

    [Theory]
    [InlineData(".*encoder.block.1.*k")]
    [InlineData(".*decoder.block.1.*EncDecAttention.v")]
    [InlineData(".*encoder.block.0.layer.1.*wo")]
    [InlineData(".*decoder.block.0.layer.0.SelfAttention.q")]
    public void One_adapted_layer_of_an_encoder_decoder_matches_finite_differences(string target) =>
        ModelGradients.Check("t5",
        ModelTask.SequenceToSequence, null, new LoraConfig { R = 2, Targets = new TargetModules(null, target),
            Initialization = LoraInitialization.Random });

    [Fact]
    public void Dropout_between_the_layers_of_an_lstm_matches_finite_differences() =>
        ModelGradients.Check("gpt2", ModelTask.CausalLM, null,
        (PTuningConfig)Variants.All["ptuning-lstm"] with { EncoderDropout = 0.4 });
}
