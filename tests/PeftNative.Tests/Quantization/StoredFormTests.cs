using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Loading.Stored;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Quantization;

/// <summary>Checkpoints that are quantised in their files: what is read, and how damaged ones are refused.</summary>
public sealed class StoredFormTests : IDisposable
{
    private const string Nf4 = "small-nf4-double", Gptq = "gptq-asym-g32-actorder", Fp8 = "ct-fp8-channel";
    private const string Q = "model.layers.0.self_attn.q_proj.", State = "weight.quant_state.bitsandbytes__nf4";

    private readonly TemporaryFolder folder = new();
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    [Theory]
    [InlineData(Nf4, 4.52)]
    [InlineData(Gptq, 6.5)]
    [InlineData(Fp8, 9)]
    public void A_weight_takes_as_few_bits_as_in_its_file(string name, double most)
    {
        var (model, loaded) = ModelLoader.Load(backend, Base(name));
        using var owner = model;
        Assert.Equal(14, loaded.Quantized.Count);
        Assert.Empty(loaded.Unused);
        foreach (var parameter in loaded.Quantized.Keys)
        {
            Assert.False(parameter.Value.IsPresent);
            // Books and the padding of tensors do not grow with the matrix.
            var bits = 8.0 * (parameter.Quantized!.Bytes - 1024 - 64 - 5 * 64) / parameter.Count;
            Assert.True(bits <= most, $"{parameter.Name}: {bits} bits");
        }
    }

    [Fact]
    public void What_asks_for_quantisation_leaves_quantised_weights_alone_and_says_so()
    {
        var options = new ModelOptions { Quantization = new QuantizationOptions { Type = QuantizationType.Int8 } };
        var (model, loaded) = ModelLoader.Load(backend, Base(Nf4), options);
        using var owner = model;
        Assert.Contains(loaded.Doubts, d => d.Contains("14 weights are quantised in the checkpoint already"));
    }

    public static TheoryData<string, string, string, string> Lies => new()
    {
        { Nf4, Q + "weight", "short", "bytes" },
        { Nf4, Q + "weight", "I8", "type" },
        { Nf4, Q + "weight.absmax", "short", "shape" },
        { Nf4, Q + "weight.absmax", "F32", "type" },
        { Nf4, Q + "weight.absmax", "absent", "absmax" },
        { Nf4, Q + "weight.nested_absmax", "NaN", "finite" },
        { Nf4, Q + "weight.nested_absmax", "long", "shape" },
        { Nf4, Q + "weight.nested_quant_map", "short", "shape" },
        { Nf4, Q + "weight.quant_map", "absent", "quant_map" },
        { Nf4, Q + State, "absent", "quant_state" },
        { Nf4, Q + State, "\"blocksize\": 128", "absmax" },
        { Nf4, Q + State, "\"shape\": [20, 80]", "shape" },
        { Nf4, Q + "weight.zeros", "new", "not known" },
        { Gptq, Q + "g_idx", "short", "shape" },
        { Gptq, Q + "g_idx", "ones", "group" },
        { Gptq, Q + "qweight", "short", "shape" },
        { Gptq, Q + "qzeros", "short", "shape" },
        { Gptq, Q + "qzeros", "absent", "qzeros" },
        { Gptq, Q + "scales", "NaN", "finite" },
        { Gptq, Q + "scales", "absent", "scales" },
        { Gptq, Q + "perm", "new", "not known" },
        { Fp8, Q + "weight", "ones", "number" },
        { Fp8, Q + "weight", "short", "shape" },
        { Fp8, Q + "weight_scale", "short", "blocks of" },
        { Fp8, Q + "weight_scale", "NaN", "finite" },
        { Fp8, Q + "weight_scale", "absent", "weight_scale" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_tensor_that_is_damaged_or_lies_is_named(string name, string tensor, string lie, string said)
    {
        var altered = Altered(name, tensor, lie);
        var e = Assert.Throws<ModelFormatException>(() => Load(altered));
        Assert.Contains(said, e.Message, StringComparison.Ordinal);
        Assert.Contains(altered, e.Where, StringComparison.Ordinal);
        // Where a field lies, another tensor may be what does not fit it.
        Assert.Contains(lie == "absent" || lie.StartsWith('"') ? Q : tensor, e.Where, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Nf4, "quant_method", "\"hqq\"", "bitsandbytes, gptq, awq, fp8, compressed-tensors, mxfp4")]
    [InlineData(Nf4, "quant_method", "7", "quant_method")]
    [InlineData(Nf4, "bnb_4bit_quant_type", "\"nf3\"", "nf4, fp4")]
    [InlineData(Gptq, "bits", "3", "bits")]
    [InlineData(Gptq, "checkpoint_format", "\"marlin\"", "gptq_v2")]
    [InlineData(Gptq, "group_size", "0", "group_size")]
    [InlineData(Gptq, "group_size", "64", "group_size 64")]
    [InlineData(Fp8, "format", "\"marlin-24\"", "float-quantized")]
    [InlineData(Fp8, "transform_config", """{"config_groups": {"u": {"type": "hadamard"}}}""", "transformed")]
    [InlineData(Fp8, "sparsity_config", """{"format": "sparse-24-bitmask"}""", "sparse-24-bitmask")]
    [InlineData(Fp8, "config_groups", """{"g": {"weights": {"strategy": "channel", "num_bits": 4}}}""", "int of 4")]
    [InlineData(Fp8, "config_groups", """{"g": {"weights": {"strategy": "channel"}}}""", "int of 8")]
    [InlineData(Fp8, "config_groups",
        """{"g": {"weights": {"strategy": "channel", "type": "float", "symmetric": false}}}""", "with zeros")]
    public void What_config_json_asks_for_and_is_not_known_is_named(string name, string key, string value, string said)
    {
        var altered = Altered(name, "", "");
        var path = Path.Combine(altered, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!;
        config["quantization_config"]![key] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        Assert.Contains(said, Assert.Throws<ModelFormatException>(() => Load(altered)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("num_bits", "8")]
    [InlineData("type", "\"float\"")]
    [InlineData("symmetric", "false")]
    public void A_scheme_that_packed_codes_are_not_of_is_refused(string key, string value)
    {
        var source = SharedFolder.PathOrSkip("recorded/quantized/bases/ct-int4-g32");
        var target = Directory.CreateDirectory(folder[$"int4-{key}"]).FullName;
        foreach (var file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        var path = Path.Combine(target, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!;
        config["quantization_config"]!["config_groups"]!["group_0"]!["weights"]![key] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        var e = Assert.Throws<ModelFormatException>(() => Load(target));
        Assert.Contains("config.json names", e.What, StringComparison.Ordinal);
        Assert.Contains("weight_packed", e.Where, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"config_groups": {}}""")]
    public void Transforms_of_nothing_are_none(string transforms)
    {
        var altered = Altered(Fp8, "", "");
        var path = Path.Combine(altered, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!;
        config["quantization_config"]!["transform_config"] = JsonNode.Parse(transforms);
        File.WriteAllText(path, config.ToJsonString());
        Assert.Equal(Load(Base(Fp8)), Load(altered));
    }

    [Fact]
    public void Tensors_decide_whatever_config_json_says()
    {
        var (expected, altered) = (Load(Base(Nf4)), Altered(Nf4, "", ""));
        var path = Path.Combine(altered, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config.Remove("quantization_config");
        File.WriteAllText(path, config.ToJsonString());
        Assert.Equal(expected, Load(altered));
    }

    [Fact]
    public void Stacks_of_matrices_in_mxfp4_are_read_as_recorded()
    {
        var root = SharedFolder.PathOrSkip("recorded/quantized");
        using var source = WeightSource.Open(Path.Combine(root, "bases", "mxfp4-gpt-oss"));
        using var truth = SafetensorsFile.Open(Path.Combine(root, "cases", "mxfp4-gpt-oss", "tensors.safetensors"));
        foreach (var name in (string[])["gate_up_proj", "down_proj"])
        {
            var path = $"model.layers.0.mlp.experts.{name}";
            var expected = new float[truth.Get("dequantized." + path).ElementCount];
            truth.ReadAs(truth.Get("dequantized." + path), expected);
            // [experts, in, out] there; here a matrix of all experts' outputs.
            var (experts, columns, rows) = Shape(truth.Get("dequantized." + path));
            var actual = Mxfp4(source, path, experts * rows, columns);
            for (var e = 0; e < experts; e++)
                for (var r = 0; r < rows; r++)
                    for (var c = 0; c < columns; c++)
                        Assert.Equal(expected[(e * columns + c) * rows + r], actual[(e * rows + r) * columns + c]);
        }

        static (int, int, int) Shape(StoredTensor t) => ((int)t.Shape[0], (int)t.Shape[1], (int)t.Shape[2]);
    }

    public void Dispose()
    {
        backend.Dispose();
        folder.Dispose();
    }

    private float[] Mxfp4(WeightSource source, string path, int rows, int columns)
    {
        var family = FamilyTable.Find("llama", "test");
        var names = new CheckpointNames(family, source,
            FamilyTable.Read(StrictJson.ParseObject(Encoding.UTF8.GetBytes(TinyModels.Configs["llama"]))));
        var parameter = new Parameter(path, rows, columns, StoredLayout.Matrix);
        var matrix = new StoredForms(names, source, StoredQuantization.None).Read(parameter)!.Matrix!;
        using var arena = new Arena(backend, "test");
        var y = arena.Allocate(DType.Float32, rows, columns);
        ((IBackend)backend).Forward(QuantizedUpload.ToBackend(backend, arena, matrix).Op with { Y = y });
        return HostValues.Download(backend, y);
    }

    private static string Base(string name) => Path.Combine(AppContext.BaseDirectory, "golden", "bases", name);

    // The numbers of a layer.
    private float[] Load(string path)
    {
        var (model, _) = ModelLoader.Load(backend, path);
        using var owner = model;
        return model.Values(model.Parameters.First(p => p.Name == Q + "weight"));
    }

    private string Altered(string name, string changed, string lie)
    {
        var target = Directory.CreateDirectory(folder[$"{name}-{Guid.NewGuid():N}"]).FullName;
        File.Copy(Path.Combine(Base(name), "config.json"), Path.Combine(target, "config.json"));
        using var file = SafetensorsFile.Open(Path.Combine(Base(name), "model.safetensors"));
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var tensor in file.Tensors)
        {
            var bytes = file.Bytes(tensor).ToArray();
            if (tensor.Name != changed) writer.Add(tensor.Name, tensor.Type, tensor.Shape.AsSpan(), bytes);
            else if (lie != "absent") Add(writer, tensor, bytes, lie);
        }
        if (lie == "new") writer.Add(changed, StoredType.U8, [1], new byte[1]);
        writer.Save(Path.Combine(target, "model.safetensors"));
        return target;
    }

    private static void Add(SafetensorsWriter writer, StoredTensor tensor, byte[] bytes, string lie)
    {
        var (type, width) = (tensor.Type, tensor.Type.Bits() / 8);
        long[] shape = [.. tensor.Shape];
        switch (lie)
        {
            case "short":
                shape[0]--;
                bytes = bytes[..(int)(shape.Aggregate(1L, (a, b) => a * b) * width)];
                break;
            case "long":
                shape[0]++;
                bytes = [.. bytes, .. new byte[bytes.Length / (shape[0] - 1)]];
                break;
            case "I8": type = StoredType.I8; break;
            case "F32":
                type = StoredType.F32;
                bytes = new byte[bytes.Length / width * 4];
                break;
            case "NaN":
                bytes.AsSpan(bytes.Length - width).Fill(0xff);
                break;
            case "ones":
                bytes.AsSpan(bytes.Length - width).Fill(0x7f);
                break;
            default:
                var text = Encoding.UTF8.GetString(bytes);
                var key = lie[..lie.IndexOf(':')];
                var from = text.IndexOf(key, StringComparison.Ordinal);
                var next = key == "\"shape\"" ? ", \"nested" : ", \"dtype";
                var until = text.IndexOf(next, from, StringComparison.Ordinal);
                bytes = Encoding.UTF8.GetBytes(text[..from] + lie + text[until..]);
                shape = [bytes.Length];
                break;
        }
        writer.Add(tensor.Name, type, shape, bytes);
    }
}
