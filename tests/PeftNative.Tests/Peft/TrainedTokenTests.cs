using PeftNative.Formats.Safetensors;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Lora.Combining;
using PeftNative.Peft.Lora.Export;
using PeftNative.Peft.Matching;
using PeftNative.Peft.PromptTuning;
using PeftNative.Peft.Tokens;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>trainable_token_indices: which rows change, in which order, for whom, and what is refused.</summary>
public sealed class TrainedTokenTests : IDisposable
{
    private static readonly LoraConfig Lora = new() { R = 2, Targets = TargetModules.Of("q_proj") };

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("bert", ModelTask.SequenceClassification)]
    [InlineData("llama", ModelTask.SequenceClassification)]
    [InlineData("llama-yarn", ModelTask.CausalLM)]
    [InlineData("t5-gated", ModelTask.SequenceToSequence)]
    public void Gradients_match_finite_differences(string family, ModelTask task) => ModelGradients.Check(family, task,
        null, new LoraConfig
        {
            R = 2, Initialization = LoraInitialization.Random, TrainableTokens = TokenIndices.Of(9, 2),
        });

    [Fact]
    public void Gradients_of_embedding_and_an_untied_head_match_finite_differences() => ModelGradients.Check(
        "llama-yarn", ModelTask.CausalLM, null,
        Lora with { TrainableTokens = Of(("embed_tokens", [1, 5]), ("lm_head", [2, 16, 9])) });

    [Fact]
    public void They_start_as_the_base_is()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(5, 9) });
        Assert.True(adapter.ChangesNothing);
        Assert.Equal(setting.Scores(), setting.Scores(adapter));
        setting.Disturb();
        Assert.False(adapter.ChangesNothing);
    }

    [Fact]
    public void Rows_are_those_of_the_merged_base_in_the_order_of_the_list()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(9, 5, 1) });
        setting.Disturb();
        AdapterFolder.Save(adapter, folder.Root);
        using (var file = SafetensorsFile.Open(folder[AdapterFolder.WeightsName]))
            Assert.Equal([3, 10], file.Tensors.First(t =>
                t.Name == "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta").Shape.ToArray());
        var table = setting.Model.Embedding.Table;
        var before = setting.Model.Values(table);
        var rows = Values(setting, adapter);
        adapter.Merge();
        var after = setting.Model.Values(table);
        for (var token = 0; token < table.Rows; token++)
        {
            var place = Array.IndexOf([9, 5, 1], token);
            var expected = place < 0 ? before.AsSpan(token * 10, 10) : rows.AsSpan(place * 10, 10);
            Assert.Equal(expected.ToArray(), after[(token * 10)..(token * 10 + 10)]);
        }
    }

    [Fact]
    public void An_untied_head_does_not_follow()
    {
        using var setting = new Setting("llama-yarn", ModelTask.CausalLM);
        var adapter = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(0) }); // in no text
        setting.Disturb();
        foreach (var entry in adapter.Entries.Where(e => e.Key.Contains("lora_", StringComparison.Ordinal)))
            setting.Model.Backend.Fill(entry.Parameter.Value, 0);
        Assert.Equal(setting.Scores(), setting.Scores(adapter));
    }

    [Fact]
    public void Several_adapters_and_a_prompt_run_together_as_their_rows_merged_would()
    {
        using var setting = new Setting("gemma", ModelTask.CausalLM);
        var one = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(9, 5) });
        var prompt = setting.Add(new PromptTuningConfig { VirtualTokenCount = 2 });
        var two = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(1, 16) });
        var third = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(16) });
        setting.Disturb();
        var together = setting.Scores(one, prompt, two);
        Assert.Contains("same token", Assert.Throws<UsageException>(() => setting.Scores(third, two)).Message,
            StringComparison.Ordinal);
        one.Merge();
        AssertClose(together, setting.Scores(prompt, two)); // what two starts from has changed beneath it
        two.Merge();
        AssertClose(together, setting.Scores(prompt));
        two.Unmerge();
        one.Unmerge();
        AssertClose(together, setting.Scores(two, prompt, one));
    }

    [Fact]
    public void What_was_trained_before_them_in_a_pass_still_gets_its_gradient()
    {
        using var setting = new Setting("gemma", ModelTask.CausalLM);
        var prompt = setting.Add(new PromptTuningConfig { VirtualTokenCount = 2 });
        var tokens = setting.Add(Lora with { TrainableTokens = TokenIndices.Of(0) }); // in no text
        var alone = Gradients(setting, prompt, [prompt]);
        Assert.NotEqual(0, alone.Max(Math.Abs));
        AssertClose(alone, Gradients(setting, prompt, [prompt, tokens]));
        AssertClose(alone, Gradients(setting, prompt, [tokens, prompt]));
    }

    [Theory]
    [InlineData("5,17", "17 rows")]
    [InlineData("-1", "17 rows")]
    [InlineData("5,5", "twice")]
    public void Ids_are_checked(string ids, string part) => Refused(part, Lora with
    {
        TrainableTokens = new TokenIndices([.. ids.Split(',').Select(int.Parse)]),
    });

    [Theory]
    [InlineData("q_proj")]
    [InlineData("wte")]
    [InlineData("")]
    public void Names_are_those_of_embedding_and_head(string name) =>
        Refused("not the token embedding or the head", Lora with { TrainableTokens = Of((name, [1])) });

    [Fact]
    public void What_is_adapted_otherwise_is_refused()
    {
        var tokens = Lora with { TrainableTokens = TokenIndices.Of(1) };
        Refused("trains rows of model.embed_tokens", tokens with { Targets = TargetModules.Of("embed_tokens") });
        Refused("trains rows of lm_head", tokens with { Targets = TargetModules.Of("lm_head") });
        Refused("trains rows of lm_head", tokens with { ModulesToSave = ["lm_head"] });
        Refused("ensure_weight_tying", Lora with { EnsureWeightTying = true, TrainableTokens = Of(("lm_head", [1])) });
    }

    [Fact]
    public void Other_formats_and_weighted_merges_refuse_them_by_name()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Lora with { TrainableTokens = TokenIndices.Of(1) });
        setting.Disturb();
        foreach (var act in (Action[])[
            () => GgufLora.Write(adapter, folder["g"]), () => MlxLora.Write(adapter, folder["m"]),
            () => LoraCombiner.Combine([adapter, adapter], [1, 1], new WeightedMergeOptions(), "c").Dispose()])
            Assert.Contains("trainable_token_indices", Assert.Throws<UsageException>(act).Message,
                StringComparison.Ordinal);
    }

    private static void Refused(string part, LoraConfig config)
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        Assert.Contains(part, Assert.Throws<UsageException>(() => setting.Add(config)).Message,
            StringComparison.Ordinal);
    }

    private static float[] Gradients(Setting setting, Adapter of, Adapter[] adapters)
    {
        foreach (var adapter in adapters) setting.Model.Backend.Fill(adapter.Buffer.Gradients, 0);
        setting.Run.Adapters = adapters;
        setting.Run.Train(TinyModels.Batch(setting.Model), TinyModels.Targets(setting.Model));
        return HostValues.Download(setting.Model.Backend, of.Buffer.Gradients);
    }

    private static float[] Values(Setting setting, Adapter adapter) => HostValues.Download(setting.Model.Backend,
        adapter.Entries.First(e => e.Key.EndsWith("trainable_tokens_delta", StringComparison.Ordinal)).Parameter.Value);

    private static TokenIndices Of(params IReadOnlyList<(string, IReadOnlyList<int>)> modules) => new(null, modules);

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4f);
    }
}
