using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Models.Weights;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Merging;
using PeftNative.Peft.Tokens;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Folders of merged models whose base has one matrix for embedding and head; and merges that are refused.
/// </summary>
public sealed class TiedMergeTests : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TemporaryFolder folder = new();

    [Theory]
    [InlineData("llama", "embed_tokens", false)]
    [InlineData("llama", "lm_head", false)]
    [InlineData("gpt2", "wte", false)]
    [InlineData("gpt2", "lm_head", true)]
    [InlineData("t5", "lm_head", false)]
    [InlineData("t5", "lm_head", true)]
    public void A_merge_writes_two_matrices_and_says_so(string family, string module, bool asLora)
    {
        WriteBase(family);
        var expected = WriteAdapter(module, asLora);
        var report = Merge();
        Assert.True(report.IsUntied);
        Assert.True(report.LargestDifference <= 1e-4 * report.LargestLogit);

        var config = JsonNode.Parse(File.ReadAllText(folder["merged/config.json"]))!;
        Assert.False(config["tie_word_embeddings"]!.GetValue<bool>());
        Assert.Equal(family == "t5" ? true : null, config["scale_decoder_outputs"]?.GetValue<bool>());
        var (merged, loaded) = ModelLoader.Load(backend, folder["merged"]);
        using var owner = merged;
        using var tensors = WeightSource.Open(folder["merged"]);
        Assert.True(tensors.Contains(merged.Embedding.Table.Name) && tensors.Contains(merged.Head.Output!.Weight.Name));
        Assert.Empty(loaded.Created);
        Assert.Empty(loaded.Doubts);
        AssertClose(expected, Scores(merged));
    }

    [Theory]
    [InlineData("save")]
    [InlineData("lora")]
    [InlineData("attention")]
    public void A_merge_that_changes_both_sides_alike_or_neither_keeps_the_tie(string kind)
    {
        WriteBase("llama");
        var expected = kind == "attention" ? WriteAdapter("q_proj", asLora: true)
            : WriteAdapter("lm_head", kind == "lora", ensure: true);
        Assert.False(Merge().IsUntied);
        using var merged = ModelLoader.Load(backend, folder["merged"]).Model;
        Assert.NotNull(merged.Head.Output!.Weight.TiedTo);
        AssertClose(expected, Scores(merged));
    }

    [Theory]
    [InlineData(true, true, 2)]
    [InlineData(true, true, 1)]
    [InlineData(false, true, 1)]
    public void A_base_whose_file_holds_a_head_keeps_what_it_is(bool hasEmbedding, bool hasHead, float factor)
    {
        WriteBase("llama", hasEmbedding, hasHead, factor);
        var expected = WriteAdapter("q_proj", asLora: true);
        var report = Merge();
        Assert.Equal(factor != 1, report.IsUntied);
        Assert.Equal(factor != 1 || !hasEmbedding,
            report.Doubts.Any(d => d.Contains("lm_head", StringComparison.Ordinal)));
        var (merged, loaded) = ModelLoader.Load(backend, folder["merged"]);
        using var owner = merged;
        Assert.Equal(factor == 1, merged.Head.Output!.Weight.TiedTo is not null);
        AssertClose(expected, Scores(merged));
        using var tensors = WeightSource.Open(folder["merged"]);
        Assert.True(tensors.Contains("lm_head.weight") && tensors.Contains("model.embed_tokens.weight"));
        Assert.Empty(loaded.Doubts);
    }

    [Fact]
    public void A_new_head_has_the_type_of_the_embedding()
    {
        WriteBase("llama", type: StoredType.F16);
        WriteAdapter("lm_head", asLora: false);
        Merge();
        using var tensors = WeightSource.Open(folder["merged"]);
        Assert.Equal(StoredType.F16, tensors.Get("lm_head.weight").Type);
    }

    [Fact]
    public void What_the_stored_type_cannot_hold_ends_the_merge_and_leaves_nothing()
    {
        WriteBase("llama");
        WriteAdapter("lm_head", asLora: false, factor: 1e6f);
        var error = Assert.Throws<NumericException>(() => Merge(StoredType.F16));
        Assert.Contains("fp16 does not hold", error.What, StringComparison.Ordinal);
        Assert.Equal((6, "lm_head.weight"), (error.ExitCode, error.Where));
        Assert.Equal(["adapter", "base"],
            Directory.GetFileSystemEntries(folder.Root).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.True(Merge().IsUntied); // in 32 bits it can be held
    }

    [Fact]
    public void A_merge_that_is_computed_in_16_bits_is_held_to_what_these_can_show()
    {
        WriteBase("llama");
        WriteAdapter("q_proj", asLora: true);
        using var half = ReferenceBackend.Create(DType.BFloat16);
        var report = ModelMerger.Merge(half, folder["base"], [new AdapterSource(folder["adapter"])], folder["merged"]);
        Assert.InRange(report.LargestDifference, 1e-3 * report.LargestLogit, 0.15 * report.LargestLogit);
    }

    [Fact]
    public void A_merge_is_checked_on_the_tokens_that_the_adapter_trained()
    {
        WriteBase("llama");
        using (var model = ModelLoader.Load(backend, folder["base"]).Model)
        {
            var config = new LoraConfig
            {
                R = 2, Targets = TargetModules.Of("q_proj"), TrainableTokens = TokenIndices.Of(16),
            };
            using var adapter = config.Create(model, seed: 5, trainable: false, "default");
            var rows = adapter.Entries.Single(e => e.Key.Contains("token", StringComparison.Ordinal)).Parameter;
            HostValues.Upload(backend, [.. Enumerable.Range(0, rows.Columns).Select(i => MathF.Sin(i))], rows.Value);
            AdapterFolder.Save(adapter, folder["adapter"]);
        }
        Assert.InRange(Merge().LargestChange, 1e-3, double.MaxValue);
    }

    [Fact]
    public void Logits_that_are_not_finite_end_the_merge_and_leave_nothing()
    {
        WriteBase("llama");
        WriteAdapter("lm_head", asLora: false, factor: 2e38f);
        Assert.Throws<NumericException>(() => Merge());
        Assert.False(Directory.Exists(folder["merged"]));
    }

    private MergeReport Merge(StoredType? type = null) => ModelMerger.Merge(
        backend, folder["base"], [new AdapterSource(folder["adapter"])], folder["merged"],
            new MergeOptions { Type = type });

    private void WriteBase(string family, bool hasEmbedding = true, bool hasHead = false, float factor = 1,
        StoredType type = StoredType.F32)
    {
        Directory.CreateDirectory(folder["base"]);
        File.WriteAllText(folder["base/config.json"], TinyModels.Configs[family]);
        using var model = TinyModels.Create(backend, family,
            family == "t5" ? ModelTask.SequenceToSequence : ModelTask.CausalLM);
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var p in model.Parameters)
        {
            var isHead = p == model.Head.Output!.Weight;
            if (isHead ? !hasHead : p == model.Embedding.Table && !hasEmbedding) continue;
            var values = StoredOrder.ToFile(p, model.Values(p));
            if (isHead) values = Array.ConvertAll(values, v => factor * v);
            writer.Add(p.Name, type, p.StoredShape, stream => SafetensorsWriter.WriteSingles(stream, values, type));
        }
        writer.Save(folder["base/model.safetensors"]);
    }

    // Returns the scores of the base with it.
    private float[] WriteAdapter(string module, bool asLora, bool ensure = false, float factor = 1)
    {
        using var model = ModelLoader.Load(backend, folder["base"]).Model;
        var config = new LoraConfig { R = 2, Initialization = LoraInitialization.Random, EnsureWeightTying = ensure };
        using var adapter = (asLora ? config with { Targets = TargetModules.Of(module) } : config
            with { ModulesToSave = [module] })
            .Create(model, seed: 5, trainable: false, "default");
        foreach (var entry in adapter.Entries.Where(e =>
            e.Parameter.Name.EndsWith(".weight", StringComparison.Ordinal)))
        {
            var values = HostValues.Download(backend, entry.Parameter.Value);
            HostValues.Upload(backend, [.. values.Select((v, i) => factor * (v + 0.3f * MathF.Sin(i)))],
                entry.Parameter.Value);
        }
        AdapterFolder.Save(adapter, folder["adapter"]);
        return Scores(model, adapter);
    }

    private float[] Scores(TransformerModel model, params AttachmentSet[] adapters)
    {
        using var run = new ModelRun(model, adapters);
        run.Forward(TinyModels.Batch(model));
        return HostValues.Download(backend, run.Scores());
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 5e-5f);
    }

    public void Dispose()
    {
        folder.Dispose();
        backend.Dispose();
    }
}
