using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Lora.Combining;
using PeftNative.Peft.Lora.Export;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Mixed;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>lora_bias: a bias of B, which is scaled like the product.</summary>
public sealed class LoraBiasTests : IDisposable
{
    private static readonly LoraConfig Biased = new()
    {
        R = 2, Alpha = 6, UseBias = true, Initialization = LoraInitialization.Random,
    };

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("gpt2", BiasTraining.None)]
    [InlineData("gpt2", BiasTraining.LoraOnly)]
    [InlineData("llama", BiasTraining.All)]
    [InlineData("llama-yarn", BiasTraining.None)]
    public void Gradients_match_finite_differences(string family, BiasTraining bias) => ModelGradients.Check(family,
        ModelTask.CausalLM, null, Biased with { Bias = bias, Targets = new TargetModules(null, "all-linear") });

    [Theory]
    [InlineData("gpt2", "c_attn,c_proj", BiasTraining.None)]
    [InlineData("llama", "q_proj,down_proj", BiasTraining.LoraOnly)]
    public void It_is_merged_into_the_bias_of_the_base_and_saved(string family, string targets, BiasTraining bias)
    {
        using var setting = new Setting(family, ModelTask.CausalLM);
        var adapter = setting.Add(Biased with { Bias = bias, Targets = TargetModules.Of(targets.Split(',')) });
        setting.Disturb();
        var (bare, with) = (setting.Scores(), setting.Scores(adapter));
        AdapterFolder.Save(adapter, folder.Root);
        using (var loaded = AdapterFolder.Load(setting.Model, folder.Root)) Assert.Equal(with, setting.Scores(loaded));
        adapter.Merge();
        AssertClose(with, setting.Scores());
        adapter.Unmerge();
        AssertClose(bare, setting.Scores());
    }

    [Fact]
    public void The_bias_alone_moves_the_scores_by_its_scale()
    {
        using var setting = new Setting("llama-yarn", ModelTask.CausalLM);
        var config = Biased with { Targets = TargetModules.Of("lm_head"), Initialization = LoraInitialization.Default };
        var adapter = setting.Add(config);
        Assert.True(adapter.ChangesNothing);
        var bias = adapter.Entries.Single(e => e.Key == "base_model.model.lm_head.lora_B.bias").Parameter;
        HostValues.Upload(setting.Model.Backend, [.. Enumerable.Range(0, 17).Select(i => 0.1f * i)], bias.Value);
        Assert.False(adapter.ChangesNothing);
        var (bare, with) = (setting.Scores(), setting.Scores(adapter));
        for (var i = 0; i < bare.Length; i++) Assert.Equal(bare[i] + 3 * 0.1f * (i % 17), with[i], 1e-5f);
    }

    [Fact]
    public void A_base_without_a_bias_cannot_take_it_and_that_is_said_before()
    {
        using var setting = new Setting("llama-yarn", ModelTask.CausalLM);
        var adapter = setting.Add(Biased with { Targets = TargetModules.Of("q_proj") });
        setting.Disturb();
        Assert.Contains("has no bias", Assert.Single(adapter.Doubts), StringComparison.Ordinal);
        var before = setting.Scores();
        Assert.Contains("cannot be merged", Assert.Throws<UsageException>(adapter.Merge).Message,
            StringComparison.Ordinal);
        Assert.Equal(before, setting.Scores());
    }

    [Fact]
    public void Two_in_one_pass_get_the_gradients_they_get_apart_and_so_does_the_bias_of_the_base()
    {
        using var setting = new Setting("gpt2", ModelTask.CausalLM);
        var one = setting.Add(Biased with { Bias = BiasTraining.LoraOnly });
        var two = setting.Add(Biased with { Alpha = 2 });
        Run(setting, one, two);
        var (both, first) = (Gradient(setting, two, "lora_B.bias"), Gradient(setting, one, "lora_B.bias"));
        var own = Gradient(setting, one, "c_attn.bias");
        Run(setting, two, one);
        AssertClose(both, Gradient(setting, two, "lora_B.bias"));
        AssertClose(own, Gradient(setting, one, "c_attn.bias"));
        AssertClose([.. own.Select(g => 3 * g)], first);
        AssertClose(own, both); // of scale 1
    }

    [Fact]
    public void Rows_of_a_mixed_batch_have_it_too()
    {
        using var setting = new Setting("gpt2", ModelTask.SequenceClassification);
        var adapter = setting.Add(Biased);
        setting.Disturb();
        var (bare, with) = (setting.Scores(), setting.Scores(adapter));
        foreach (var index in setting.Model.Parameters.Select(p => p.Index))
            Assert.True(adapter.Replacement(index) is null || setting.Model.Parameters[index].Name == "score.weight");
        var mixed = setting.Scores(new MixedAdapters(setting.Model, [adapter, null, adapter]));
        AssertClose([.. with[..3], .. bare[3..6], .. with[6..]], mixed);
    }

    [Theory]
    [InlineData("wte", false, LoraInitialization.Default)]
    [InlineData("c_attn", true, LoraInitialization.Default)]
    [InlineData("c_attn", false, LoraInitialization.Gaussian)]
    public void What_PEFT_has_no_bias_for_is_refused(string target, bool dora, LoraInitialization kind)
    {
        using var setting = new Setting("gpt2", ModelTask.CausalLM);
        Assert.Contains("lora_bias", Assert.Throws<UsageException>(() => setting.Add(Biased with
        {
            Targets = TargetModules.Of(target), UseDora = dora, Initialization = kind,
        })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_formats_and_weighted_merges_refuse_it_by_name()
    {
        using var setting = new Setting("gpt2", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Biased);
        foreach (var act in (Action[])[
            () => GgufLora.Write(adapter, folder["g"]), () => MlxLora.Write(adapter, folder["m"]),
            () => LoraCombiner.Combine([adapter, adapter], [1, 1], new WeightedMergeOptions(), "c").Dispose()])
            Assert.Contains("lora_bias", Assert.Throws<UsageException>(act).Message, StringComparison.Ordinal);
    }

    private static void Run(Setting setting, params Adapter[] adapters)
    {
        foreach (var adapter in adapters) setting.Model.Backend.Fill(adapter.Buffer.Gradients, 0);
        setting.Run.Adapters = adapters;
        setting.Run.Train(TinyModels.Batch(setting.Model), TinyModels.Targets(setting.Model));
    }

    private static float[] Gradient(Setting setting, Adapter adapter, string end) => HostValues.Download(
        setting.Model.Backend, adapter.Entries.First(e =>
            e.Parameter.Name.EndsWith(end, StringComparison.Ordinal)).Parameter.Gradient);

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4f);
    }
}
