using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Quantization;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Tests.Ops;
using Xunit;

namespace PeftNative.Tests.Quantization;

/// <summary>
/// Models whose frozen layers are quantised, against the same models with the dequantised numbers in full.
/// </summary>
public sealed class QuantizedModelTests(ITestOutputHelper output) : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, QuantizationType, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, QuantizationType, bool>();
            foreach (var family in (string[])["llama", "gpt2", "t5-gated"])
                foreach (var type in Enum.GetValues<QuantizationType>())
                    cases.Add(family, type, family == "llama");
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_quantised_base_trains_as_the_dequantised_one_bit_for_bit(string family, QuantizationType type,
        bool isDouble)
    {
        foreach (var config in (AdapterConfig[])
            [new LoraConfig { R = 2, Initialization = LoraInitialization.Random,
                Targets = new TargetModules(null, "all-linear") },
             new LoraConfig { R = 2, UseDora = true, Dropout = 0.3, Initialization = LoraInitialization.Random },
             new Ia3Config { StartsAtOne = false }])
        {
            using var quantized = Load(family,
                new QuantizationOptions { Type = type, DoubleQuantization = isDouble, BlockSize = 32 });
            using var dense = Load(family, null);
            foreach (var (small, whole) in quantized.Parameters.Zip(dense.Parameters))
                if (small.Quantized is not null) HostValues.Upload(backend, quantized.Values(small), whole.Value);
            var (expected, actual) = (Step(dense, config), Step(quantized, config));
            Assert.Equal(expected.Scores, actual.Scores);
            Assert.Equal(expected.Gradients, actual.Gradients);
        }
    }

    [Fact]
    public void Errors_of_scores_and_gradients_against_fp32_are_small_and_follow_the_bits()
    {
        (double Scores, double Gradients) Error(QuantizationType type, Int8Compute compute = Int8Compute.Dequantize)
        {
            var config = new LoraConfig { R = 2, Initialization = LoraInitialization.Random };
            using var quantized = Load("llama", new QuantizationOptions { Type = type, Int8Compute = compute });
            using var dense = Load("llama", null);
            var (wanted, found) = (Step(dense, config), Step(quantized, config));
            var (scores, gradients) =
                (Relative(wanted.Scores, found.Scores), Relative(wanted.Gradients, found.Gradients));
            output.WriteLine(
                $"{type} {compute}: scores off by {scores:0.0000}, gradients by {gradients:0.0000} (root mean square, "
                    + "relative)");
            return (scores, gradients);
        }
        var (nf4, int8) = (Error(QuantizationType.Nf4), Error(QuantizationType.Int8));
        Error(QuantizationType.Fp4);
        var integer = Error(QuantizationType.Int8, Int8Compute.Integer);
        Assert.InRange(integer.Scores, int8.Scores, 0.05);
        Assert.InRange(integer.Gradients, int8.Gradients, 0.1);
        Assert.InRange(int8.Scores, 1e-6, 0.02);
        Assert.InRange(int8.Gradients, 1e-6, 0.05);
        Assert.InRange(nf4.Scores, int8.Scores, 0.5);
        // a random model is the worst case; without any gradient it would be 1
        Assert.InRange(nf4.Gradients, int8.Gradients, 0.95);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    public void Products_of_codes_are_near_those_of_dequantised_numbers_with_every_kind_of_adapter(string family)
    {
        foreach (var config in (AdapterConfig[])
            [new LoraConfig { R = 2, Initialization = LoraInitialization.Random,
                Targets = new TargetModules(null, "all-linear") },
             new LoraConfig { R = 2, UseDora = true, Dropout = 0.3, Initialization = LoraInitialization.Random },
             new Ia3Config { StartsAtOne = false }])
        {
            using var dequantized = Load(family, new QuantizationOptions { Type = QuantizationType.Int8 });
            using var integer = Load(family,
                new QuantizationOptions { Type = QuantizationType.Int8, Int8Compute = Int8Compute.Integer });
            var (expected, actual) = (Step(dequantized, config), Step(integer, config));
            var (scores, gradients) =
                (Relative(expected.Scores, actual.Scores), Relative(expected.Gradients, actual.Gradients));
            output.WriteLine(
                $"{family} {config.GetType().Name}: scores off by {scores:0.0000}, gradients by {gradients:0.0000}");
            Assert.InRange(scores, 1e-6, 0.05);
            Assert.InRange(gradients, 1e-6, 0.25); // a tiny random model is the worst case
        }
    }

    [Fact]
    public void Products_of_codes_are_refused_where_there_are_none_or_the_backend_makes_none()
    {
        Load("llama", null).Dispose(); // writes it
        UsageException Refused(IBackend on, QuantizationType type) =>
            Assert.Throws<UsageException>(() => ModelLoader.Load(on, folder["llama"],
            new ModelOptions { Quantization = new QuantizationOptions { Type = type,
                Int8Compute = Int8Compute.Integer } }));
        Assert.Contains("no whole numbers of 8 bits", Refused(backend, QuantizationType.Nf4).Message,
            StringComparison.Ordinal);
        using var without = new BackendWithoutCodes(ReferenceBackend.Create(DType.Float32));
        Assert.Contains("does not multiply", Refused(without, QuantizationType.Int8).Message, StringComparison.Ordinal);
    }

    private sealed class BackendWithoutCodes(IBackend inner) : ForwardingBackend(inner)
    {
        public override bool MultipliesCodes => false;
    }

    [Fact]
    public void Memory_is_really_saved()
    {
        long Bytes(QuantizationOptions? options)
        {
            using var model = Load("wide", options);
            return model.WeightBytes;
        }
        var (dense, nf4) = (Bytes(null), Bytes(new QuantizationOptions()));
        var (twice, int8) =
            (Bytes(new QuantizationOptions { DoubleQuantization = true }), Bytes(
                new QuantizationOptions { Type = QuantizationType.Int8 }));
        output.WriteLine($"fp32 {dense}, NF4 {nf4}, NF4 double {twice}, int8 {int8} bytes");
        Assert.True(nf4 < dense / 3 && twice <= nf4 && int8 < dense / 2, $"{dense}, {nf4}, {twice}, {int8}");
    }

    [Fact]
    public void Merging_dequantises_what_it_changes_for_good()
    {
        using var model = Load("llama", new QuantizationOptions());
        using var adapter = new LoraConfig { R = 2, Initialization = LoraInitialization.Random }.Create(model, 1,
            false, "default");
        var (with, bare) = (Scores(model, adapter), Scores(model));
        adapter.Merge();
        Assert.All(model.Linears, l => Assert.Equal(l.Path.EndsWith("q_proj", StringComparison.Ordinal)
            || l.Path.EndsWith("v_proj", StringComparison.Ordinal)
            || l == model.Head.Output, l.Weight.Quantized is null));
        AssertClose(with, Scores(model));
        adapter.Unmerge();
        AssertClose(bare, Scores(model));
    }

    [Fact]
    public void What_stands_on_top_and_what_is_named_stays_as_it_is()
    {
        using var model = Load("gpt2", new QuantizationOptions { Skip = ["c_proj"] });
        Assert.Equal(["transformer.h.0.attn.c_attn", "transformer.h.0.mlp.c_fc", "transformer.h.1.attn.c_attn",
            "transformer.h.1.mlp.c_fc"],
            model.Linears.Where(l => l.Weight.Quantized is not null).Select(l => l.Path));
    }

    public void Dispose()
    {
        backend.Dispose();
        folder.Dispose();
    }

    private static double Relative(float[] wanted, float[] found) =>
        Math.Sqrt(wanted.Zip(found).Sum(p => Math.Pow(p.First - p.Second, 2)) / wanted.Sum(v => (double)v * v));

    private static void AssertClose(float[] expected, float[] actual)
    {
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 2e-5f);
    }

    private TransformerModel Load(string family, QuantizationOptions? options)
    {
        var path = folder[family];
        if (!Directory.Exists(path)) Write(family, path);
        return ModelLoader.Load(backend, path, new ModelOptions { Quantization = options }).Model;
    }

    private void Write(string family, string path)
    {
        const string Wide = """
            {"model_type": "llama", "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 512,
             "num_hidden_layers": 4, "vocab_size": 17}
            """;
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "config.json"), family == "wide" ? Wide : TinyModels.Configs[family]);
        var config = FamilyTable.Read(path);
        using var model = ModelLoader.CreateRandom(backend,
            config with { Task = config.Encoder is null ? ModelTask.CausalLM : ModelTask.SequenceToSequence }, seed: 3);
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var p in model.Parameters.Where(p => p.TiedTo is null))
            writer.Add(p.Name, p.StoredShape, StoredOrder.ToFile(p, HostValues.Download(backend, p.Value)));
        writer.Save(Path.Combine(path, "model.safetensors"));
    }

    private float[] Scores(TransformerModel model, params AttachmentSet[] adapters)
    {
        using var run = new ModelRun(model, adapters);
        run.Forward(TinyModels.Batch(model));
        return HostValues.Download(backend, run.Scores());
    }

    private (float[] Scores, float[] Gradients) Step(TransformerModel model, AdapterConfig config)
    {
        using var adapter = config.Create(model, 1, true, "default");
        using var run = new ModelRun(model, adapter) { Seed = 4 };
        backend.Fill(adapter.Buffer.Gradients, 0);
        run.Train(TinyModels.Batch(model), TinyModels.Targets(model));
        return (Scores(model, adapter), HostValues.Download(backend, adapter.Buffer.Gradients));
    }
}
