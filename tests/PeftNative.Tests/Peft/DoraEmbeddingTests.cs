using PeftNative.Backends.Reference;
using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.PromptTuning;
using PeftNative.Tensors;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// DoRA on the token embedding: magnitudes by columns, norms that count as constants in the backward.
/// </summary>
public class DoraEmbeddingTests
{
    private static readonly LoraConfig Dora = new()
    {
        R = 2, UseDora = true, Initialization = LoraInitialization.Random,
    };

    [Theory]
    [InlineData("bert", "word_embeddings", ModelTask.SequenceClassification)]
    [InlineData("gpt2", "wte", ModelTask.TokenClassification)]
    [InlineData("llama-yarn", "embed_tokens", ModelTask.CausalLM)]
    public void Gradients_of_the_magnitudes_match_finite_differences(string family, string module, ModelTask task) =>
        ModelGradients.Check(family, task, null, Dora with { Targets = TargetModules.Of(module) });

    // Where the norms are constants it is LoRA on a base whose columns are multiplied by g, with B multiplied so too.
    [Theory]
    [InlineData("llama-yarn", "embed_tokens", ModelTask.CausalLM)]
    [InlineData("bert", "word_embeddings", ModelTask.SequenceClassification)]
    public void Scores_and_gradients_of_the_pair_are_those_of_LoRA_on_a_scaled_base(
        string family, string module, ModelTask task)
    {
        var config = Dora with { Targets = TargetModules.Of(module) };
        using var backend = ReferenceBackend.Create(DType.Float64);
        using var model = TinyModels.Create(backend, family, task, null);
        using var scaled = TinyModels.Create(backend, family, task, null);
        using var dora = config.Create(model, seed: 3, trainable: true, "default");
        using var lora = (config with { UseDora = false }).Create(scaled, seed: 3, trainable: true, "default");
        using var prompt = new PromptTuningConfig { VirtualTokenCount = 2 }.Create(model, 5, true, "prompt");
        using var same = new PromptTuningConfig { VirtualTokenCount = 2 }.Create(scaled, 5, true, "prompt");
        var (a, b) = (Find(dora, "lora_embedding_A"), Find(dora, "lora_embedding_B"));
        var m = Find(dora, "lora_magnitude_vector");
        Fill(a, 0.3, 1);
        Fill(m, 0.2, 5);
        var (table, width) = (model.Embedding.Table, model.Embedding.Table.Columns);
        var quotients = Quotients();
        var values = Values(table);
        HostValues.Upload(backend, [.. values.Select((v, i) => v * quotients[i % width])],
            scaled.Embedding.Table.Value);
        HostValues.Copy(backend, a.Value, Find(lora, "lora_embedding_A").Value);
        HostValues.Upload(backend, [.. Values(b).Select((v, i) => v * quotients[i / b.Columns])],
            Find(lora, "lora_embedding_B").Value);

        Assert.Equal(Step(scaled, same, lora), Step(model, prompt, dora), 1e-12);
        AssertClose(Gradients(same), Gradients(prompt));
        AssertClose(Gradient(Find(lora, "lora_embedding_A")), Gradient(a));
        AssertClose([.. Gradient(Find(lora, "lora_embedding_B")).Select((g, i) => g * quotients[i / b.Columns])],
            Gradient(b));

        double[] Quotients()
        {
            var (low, high, magnitudes) = (Values(a), Values(b), Values(m));
            return [.. Enumerable.Range(0, width).Select(d => magnitudes[d] / Math.Sqrt(Enumerable.Range(0, table.Rows)
                .Sum(t => Math.Pow(Values(table)[t * width + d] + 4 * Enumerable.Range(0, 2)
                    .Sum(r => low[r * table.Rows + t] * high[d * 2 + r]), 2))))];
        }

        double Step(TransformerModel of, params Adapter[] adapters)
        {
            foreach (var adapter in adapters) backend.Fill(adapter.Buffer.Gradients, 0);
            using var run = new ModelRun(of, adapters);
            return run.Train(TinyModels.Batch(of), TinyModels.Targets(of)).LossSum;
        }

        void Fill(Parameter p, double size, int seed) => HostValues.Upload(backend,
            [.. Values(p).Select((v, i) => v + size * Math.Sin(i + seed))], p.Value);

        double[] Values(Parameter p) => HostValues.DownloadDoubles(backend, p.Value);
        double[] Gradient(Parameter p) => HostValues.DownloadDoubles(backend, p.Gradient);
        double[] Gradients(Adapter of) => HostValues.DownloadDoubles(backend, of.Buffer.Gradients);
    }

    [Fact]
    public void It_starts_as_the_base_is_and_has_a_magnitude_a_column()
    {
        using var setting = new Setting("gemma", ModelTask.CausalLM);
        var adapter = setting.Add(Dora with
        {
            Targets = TargetModules.Of("embed_tokens"), Initialization = LoraInitialization.Default,
        });
        Assert.True(adapter.ChangesNothing);
        Assert.Equal([10], adapter.Entries.Single(e =>
            e.Key == "base_model.model.model.embed_tokens.lora_magnitude_vector").Parameter.StoredShape);
        setting.Disturb();
        Assert.False(adapter.ChangesNothing);
    }

    [Fact]
    public void A_base_that_changes_beneath_it_has_other_norms()
    {
        using var setting = new Setting("llama-yarn", ModelTask.CausalLM);
        var dora = setting.Add(Dora with { Targets = TargetModules.Of("embed_tokens") });
        var other = setting.Add(new LoraConfig { R = 2, Targets = TargetModules.Of("embed_tokens") });
        setting.Disturb();
        setting.Scores(dora);
        other.Merge();
        var expected = setting.Scores(dora);
        dora.Merge();
        var merged = setting.Scores();
        for (var i = 0; i < merged.Length; i++) Assert.Equal(expected[i], merged[i], 1e-4f);
    }

    [Fact]
    public void It_cannot_be_tied_to_a_head()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        Assert.Contains("ensure_weight_tying", Assert.Throws<UsageException>(() => setting.Add(Dora with
        {
            Targets = TargetModules.Of("embed_tokens"), EnsureWeightTying = true,
        })).Message, StringComparison.Ordinal);
    }

    private static Parameter Find(Adapter adapter, string end) =>
        adapter.Entries.First(e => e.Parameter.Name.EndsWith(end, StringComparison.Ordinal)).Parameter;

    private static void AssertClose(double[] expected, double[] actual)
    {
        Assert.Contains(expected, v => Math.Abs(v) > 1e-3);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-10);
    }
}
