using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Peft;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>Models without a head: what they give, and adapters that go from them to models with one.</summary>
public sealed class HeadlessTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("llama", ModelTask.CausalLM, "layers.0.self_attn.q_proj")]
    [InlineData("gpt2", ModelTask.CausalLM, "h.0.attn.c_attn")]
    [InlineData("gemma", ModelTask.CausalLM, "layers.0.self_attn.q_proj")]
    [InlineData("bert", ModelTask.SequenceClassification, "encoder.layer.0.attention.self.query")]
    public void An_adapter_without_a_head_gives_a_model_with_one_the_same_hidden_states(
        string family, ModelTask task, string module)
    {
        using var bare = new Setting(family, ModelTask.FeatureExtraction);
        var adapter = bare.Add(new LoraConfig());
        bare.Disturb();
        var states = bare.Scores(adapter);
        AdapterFolder.Save(adapter, folder.Root);
        Assert.Equal("FEATURE_EXTRACTION", AdapterFolder.ReadConfig(folder.Root).TaskType);
        Assert.Contains(adapter.Entries, e => e.Key == $"base_model.model.{module}.lora_A.weight");
        using var whole = new Setting(family, task);
        using var read = AdapterFolder.Load(whole.Model, folder.Root);
        Assert.Empty(read.Warnings);
        whole.Scores(read);
        var rows = Enumerable.Range(0, TinyModels.Batch(whole.Model).Tokens.Length).ToArray();
        Assert.Equal(states, HostValues.Download(whole.Model.Backend, whole.Run.LastStates(rows)));
    }

    [Fact]
    public void An_adapter_of_another_task_is_refused()
    {
        using var whole = new Setting("llama", ModelTask.CausalLM);
        AdapterFolder.Save(whole.Add(new LoraConfig()), folder.Root);
        using var bare = new Setting("llama", ModelTask.FeatureExtraction);
        var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(bare.Model, folder.Root));
        Assert.Contains("it is for CAUSAL_LM, and this model has no head", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void There_is_nothing_to_learn_without_a_loss()
    {
        using var bare = new Setting("llama", ModelTask.FeatureExtraction);
        var batch = TinyModels.Batch(bare.Model);
        var targets = Targets.PerToken(new int[batch.Tokens.Length]);
        var error = Assert.Throws<UsageException>(() => bare.Run.Train(batch, targets));
        Assert.Contains("without a head has no loss", error.Message, StringComparison.Ordinal);
    }
}
