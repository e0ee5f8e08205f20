using PeftNative.Backends.Reference;
using PeftNative.Models;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Tensors;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

public sealed class PromptTests : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TransformerModel model;

    public PromptTests() => model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM);

    [Fact]
    public void A_text_longer_than_the_prompt_is_cut_off_and_a_shorter_one_repeated()
    {
        var config = new PromptTuningConfig { Initialization = PromptInitialization.Text, InitText = "as tokens" };
        Assert.Equal([5, 9], RowsOf(config with { VirtualTokenCount = 2, InitTokens = [5, 9, 2] }));
        Assert.Equal([5, 9, 2, 5, 9], RowsOf(config with { VirtualTokenCount = 5, InitTokens = [5, 9, 2] }));
    }

    [Fact]
    public void A_sampled_vocabulary_starts_from_rows_of_the_embedding_that_the_seed_decides()
    {
        var config = new PromptTuningConfig { Initialization = PromptInitialization.SampleVocab,
            VirtualTokenCount = 30 };
        var rows = RowsOf(config);
        Assert.DoesNotContain(-1, rows);
        Assert.True(rows.Distinct().Count() > 5);
        Assert.Equal(rows, RowsOf(config));
        Assert.NotEqual(rows, RowsOf(config, seed: 2));
    }

    [Fact]
    public void A_text_without_tokens_is_refused()
    {
        var error = Assert.Throws<UsageException>(
            () => RowsOf(new PromptTuningConfig { Initialization = PromptInitialization.Text, InitText = "x" }));
        Assert.Contains("prompt_tuning_init_text", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_prefix_that_starts_at_zero_is_zero(bool usesProjection)
    {
        using var adapter = new PrefixTuningConfig { VirtualTokenCount = 2, UsesProjection = usesProjection,
            StartsAtZero = true }.Create(model, 1, true, "default");
        adapter.Fold();
        Assert.All(HostValues.Download(backend, adapter.StoredEntries[0].Parameter.Value), v => Assert.Equal(0, v));
    }

    [Fact]
    public void Two_prompts_in_front_of_one_sequence_are_refused()
    {
        using var one = new PromptTuningConfig().Create(model, 1, false, "one");
        using var two = new PromptTuningConfig().Create(model, 1, false, "two");
        using var run = new ModelRun(model, one, two);
        Assert.Throws<UsageException>(() => run.Forward(TinyModels.Batch()));
    }

    public void Dispose()
    {
        model.Dispose();
        backend.Dispose();
    }

    // The row of the token embedding that each virtual token equals, or -1.
    private int[] RowsOf(PromptTuningConfig config, ulong seed = 1)
    {
        using var adapter = config.Create(model, seed, true, "default");
        var (width, table) = (model.Config.HiddenSize, HostValues.Download(backend, model.Embedding.Table.Value));
        return [.. HostValues.Download(backend, adapter.Entries[0].Parameter.Value).Chunk(width)
            .Select(row => table.Chunk(width).ToList().FindIndex(t => t.SequenceEqual(row)))];
    }
}
