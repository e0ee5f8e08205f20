using PeftNative.Backends.Reference;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Quantization;

/// <summary>Merging into bases that are quantised in their files.</summary>
public sealed class QuantizedMergeTests : IDisposable
{
    private const string Q = "model.layers.0.self_attn.q_proj.";

    private static readonly string Golden = Path.Combine(AppContext.BaseDirectory, "golden");
    private static readonly string Nf4 = Path.Combine(Golden, "bases", "small-nf4-double");
    private static readonly string Case = Path.Combine(Golden, "cases", "small-nf4-double-lora-all");

    private readonly TemporaryFolder folder = new();
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    [Fact]
    public void The_merged_model_is_dense_and_computes_what_base_and_adapter_do()
    {
        var report = Merge(Nf4, Path.Combine(Case, "adapter"), keep: false);
        Assert.Equal(14, report.Dequantized);
        Assert.Empty(report.QuantizationErrors);
        Assert.True(report.LargestDifference <= 1e-4 * report.LargestLogit);
        Assert.DoesNotContain("quantization_config", File.ReadAllText(folder["merged/config.json"]),
            StringComparison.Ordinal);
        using var source = WeightSource.Open(folder["merged"]);
        Assert.All(source.Tensors, t => Assert.Equal(StoredType.F32, t.Type));
        Assert.Equal([40, 40], source.Get(Q + "weight").Shape);
    }

    [Fact]
    public void Kept_quantised_it_has_the_recorded_codes_and_says_what_that_adds()
    {
        var report = Merge(Nf4, Path.Combine(Case, "adapter"), keep: true);
        Assert.Equal((0, 14), (report.Dequantized, report.QuantizationErrors.Count));
        Assert.All(report.QuantizationErrors, e => Assert.InRange(e, 0.08, 0.11));
        Assert.Contains("quantization_config", File.ReadAllText(folder["merged/config.json"]),
            StringComparison.Ordinal);
        using var source = WeightSource.Open(folder["merged"]);
        using var truth = SafetensorsFile.Open(Path.Combine(Case, "tensors.safetensors"));
        foreach (var ending in (string[])["weight", "weight.absmax", "weight.nested_quant_map"])
            Assert.Equal(truth.Bytes(truth.Get($"merged_quantized.{Q}{ending}")).ToArray(),
                source.Bytes(Q + ending).ToArray());
    }

    [Fact]
    public void What_cannot_be_quantised_again_is_refused_by_name()
    {
        var gptq = Path.Combine(Golden, "bases", "gptq-asym-g32-actorder");
        var (model, _) = ModelLoader.Load(backend, gptq);
        using (model)
        using (var adapter = new LoraConfig { R = 2, Initialization = LoraInitialization.Random }
            .Create(model, seed: 1, trainable: false, "default"))
            AdapterFolder.Save(adapter, folder["adapter"]);
        var e = Assert.Throws<UsageException>(() => Merge(gptq, folder["adapter"], keep: true));
        Assert.Contains("gptq, 4 bits, groups of 32, act-order", e.What, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["merged"]));
        Assert.Equal(14, Merge(gptq, folder["adapter"], keep: false).Dequantized);
    }

    [Fact]
    public void A_base_that_is_not_quantised_has_nothing_to_keep()
    {
        var adapter = Path.Combine(Golden, "cases", "llama-causal-dora", "adapter");
        var e = Assert.Throws<UsageException>(() =>
            Merge(Path.Combine(Golden, "bases", "llama-causal"), adapter, keep: true));
        Assert.Equal("--keep_quantization", e.Where);
    }

    [Fact]
    public void Layers_of_GPT2_lie_as_in_its_ordinary_files_once_they_are_dense()
    {
        var root = SharedFolder.PathOrSkip("recorded/quantized");
        Merge(Path.Combine(root, "bases", "gpt2-nf4"), Path.Combine(root, "cases", "gpt2-nf4-lora", "adapter"),
            keep: false);
        using var source = WeightSource.Open(folder["merged"]);
        Assert.Equal([48, 144], source.Get("transformer.h.0.attn.c_attn.weight").Shape);
    }

    public void Dispose()
    {
        backend.Dispose();
        folder.Dispose();
    }

    private MergeReport Merge(string model, string adapter, bool keep) => ModelMerger.Merge(backend, model,
        [new AdapterSource(adapter)], folder["merged"], new MergeOptions { KeepQuantization = keep });
}
