using PeftNative.Peft.Baselines;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>
/// Finite differences in double precision through whole models: every layer, every head, every setting of LoRA.
/// </summary>
public class ModelGradientTests
{
    public static TheoryData<string, ModelTask, ProblemType?> Models => new()
    {
        { "gpt2", ModelTask.CausalLM, null },
        { "gpt2", ModelTask.SequenceClassification, ProblemType.SingleLabel },
        { "gpt2", ModelTask.TokenClassification, null },
        { "llama", ModelTask.CausalLM, null },
        { "llama", ModelTask.SequenceClassification, ProblemType.MultiLabel },
        { "llama-yarn", ModelTask.CausalLM, null },
        { "phi", ModelTask.CausalLM, null },
        { "granite", ModelTask.CausalLM, null },
        { "olmo2", ModelTask.CausalLM, null },
        { "smollm3", ModelTask.CausalLM, null },
        { "hunyuan", ModelTask.CausalLM, null },
        { "falcon", ModelTask.CausalLM, null },
        { "bert", ModelTask.SequenceClassification, ProblemType.SingleLabel },
        { "bert", ModelTask.SequenceClassification, ProblemType.Regression },
        { "bert", ModelTask.TokenClassification, null },
        { "distilbert", ModelTask.SequenceClassification, ProblemType.SingleLabel },
        { "t5", ModelTask.SequenceToSequence, null },
        { "t5-gated", ModelTask.SequenceToSequence, null },
    };

    public static TheoryData<string, string> LoraSettings => new()
    {
        { "gpt2", "plain" }, { "gpt2", "dropout" }, { "gpt2", "dora" }, { "gpt2", "dora dropout" }, { "gpt2", "bias" },
        { "gpt2", "save" },
        { "llama", "plain" }, { "llama", "dropout" }, { "llama", "dora" }, { "llama", "dora dropout" },
        { "llama", "bias" },
        { "llama", "embedding" }, { "llama", "top layer" }, { "llama", "save" },
    };

    /// <summary>The check itself: an error of a tenth of the largest gradient in one element is seen.</summary>
    [Theory]
    [InlineData("gpt2", 0)]
    [InlineData("gpt2", 5)]
    [InlineData("t5-gated", 1)]
    public void One_wrong_element_is_found(string family, int parameter)
    {
        var task = family == "gpt2" ? ModelTask.CausalLM : ModelTask.SequenceToSequence;
        var error = Assert.ThrowsAny<Exception>(() => ModelGradients.Check(family, task, null, new FullConfig(),
            adapter =>
            {
                var gradient = adapter.Entries[parameter].Parameter.Gradient;
                var values = HostValues.DownloadDoubles(adapter.Model.Backend, gradient);
                values[values.Length / 2] += 0.1 * values.Max(Math.Abs);
                HostValues.Upload(adapter.Model.Backend, values, gradient);
            }));
        Assert.Contains("finite difference", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Likewise two errors that add up to nothing.</summary>
    [Fact]
    public void Two_exchanged_elements_are_found() => Assert.Contains("finite difference",
        Assert.ThrowsAny<Exception>(() => ModelGradients.Check("gpt2", ModelTask.CausalLM, null, new FullConfig(),
            adapter =>
            {
                var gradient = adapter.Entries[5].Parameter.Gradient;
                var values = HostValues.DownloadDoubles(adapter.Model.Backend, gradient);
                var (largest, least) = (Array.IndexOf(values, values.Max()), Array.IndexOf(values, values.Min()));
                (values[largest], values[least]) = (values[least], values[largest]);
                HostValues.Upload(adapter.Model.Backend, values, gradient);
            })).Message, StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Models))]
    public void Full_fine_tuning_matches_finite_differences(string family, ModelTask task, ProblemType? problem) =>
        ModelGradients.Check(family, task, problem, new FullConfig());

    [Theory]
    [MemberData(nameof(Models))]
    public void Lora_on_all_linear_layers_matches_finite_differences(string family, ModelTask task,
        ProblemType? problem) =>
        ModelGradients.Check(family, task, problem,
            new LoraConfig { R = 3, Targets = new TargetModules(null, "all-linear"),
                Initialization = LoraInitialization.Random });

    [Theory]
    [MemberData(nameof(LoraSettings))]
    public void Every_setting_of_lora_matches_finite_differences(string family, string setting)
    {
        var config = new LoraConfig { R = 2, Alpha = 6, Initialization = LoraInitialization.Random };
        ModelGradients.Check(family, ModelTask.CausalLM, null, setting switch
        {
            "dropout" => config with { Dropout = 0.3 },
            "dora" => config with { UseDora = true },
            "dora dropout" => config with { UseDora = true, Dropout = 0.3 },
            "bias" => config with { Bias = BiasTraining.All },
            "embedding" => config with { Targets = TargetModules.Of("embed_tokens", "q_proj") },
            "top layer" => config with { Targets = TargetModules.Of("q_proj", "up_proj"), Layers = [1] },
            "save" => config with { ModulesToSave = family == "gpt2"
                ? ["ln_1", "lm_head"] : ["norm", "k_proj", "embed_tokens"] },
            _ => config,
        });
    }
}
