using System.Text.Json.Nodes;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Fuzzing;

/// <summary>
/// Whole loads of damaged quantised checkpoints: what config.json says of them, the state beside weights, and types,
/// shapes and numbers of their tensors. Where recorded checkpoints are beside the repository, their forms too.
/// </summary>
public sealed class QuantizedFuzzTests(ITestOutputHelper output)
{
    private const int Layers = 1;

    private static readonly string[] Golden = ["small-nf4-double", "gptq-asym-g32-actorder", "ct-fp8-channel"];
    private static readonly string[] Recorded =
        ["awq-gemm-g32", "ct-int4-g32", "llama-int8", "small-fp4", "small-nf4-storage-bf16", "gptq-asym-nogroup"];

    private static readonly StoredType[] Types =
    [
        StoredType.U8, StoredType.I8, StoredType.I32, StoredType.I64, StoredType.F16, StoredType.BF16, StoredType.F32,
        StoredType.F64, StoredType.F8E4M3, StoredType.Bool,
    ];

    private static readonly string[] Values =
    [
        "null", "0", "-1", "1", "3", "4", "8", "64", "128", "1e308", "2147483648", "9223372036854775807", "true",
        "\"\"", "\"nf4\"", "\"gptq\"", "\"awq\"", "\"group\"", "\"float\"", "[]", "[0, 0]", "[1, 1]", "{}",
        "{\"a\": 1}", "[128, 128]",
    ];

    private sealed record Tensor(string Name, StoredType Type, long[] Shape, byte[] Bytes);

    private sealed record Checkpoint(string Config, IReadOnlyList<Tensor> Tensors);

    [Fact]
    public void Damaged_checkpoints_load_or_are_refused()
    {
        using var fuzzer = new Fuzzer(output, 20261207);
        using var backend = new BoundedBackend(BackendOrSkip.Create("cpu"), 64 << 20);
        Checkpoint[] corpus = [.. Folders().Select(Read)];
        output.WriteLine($"{corpus.Length} checkpoints");
        fuzzer.Run(
            random =>
            {
                var checkpoint = random.Pick(corpus);
                var inTensors = random.Next(4) > 0;
                fuzzer.Scratch.Write("config.json", inTensors ? checkpoint.Config : Changed(random, checkpoint.Config));
                using var stream = File.Create(fuzzer.Scratch.File("model.safetensors"));
                var writer = SafetensorsWriter.ForPyTorch();
                foreach (var t in inTensors ? Changed(random, checkpoint.Tensors) : checkpoint.Tensors)
                    writer.Add(t.Name, t.Type, t.Shape, t.Bytes);
                writer.WriteTo(stream);
                return fuzzer.Scratch.Root;
            },
            folder =>
            {
                using var model = ModelLoader.Load(backend, folder).Model;
                using var run = new ModelRun(model);
                run.Forward(new TokenBatch([2, 0, 1], [0, 3]));
                HostValues.Download(backend, run.Scores());
            }, 40);
    }

    private static IEnumerable<string> Folders() =>
        Golden.Select(name => Path.Combine(AppContext.BaseDirectory, "golden", "bases", name))
            .Concat(SharedFolder.Find("recorded/quantized/bases") is { } shared
                ? Recorded.Select(name => Path.Combine(shared, name)) : []);

    // The first layer is enough.
    private static Checkpoint Read(string folder)
    {
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        config["num_hidden_layers"] = Layers;
        using var file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        return new Checkpoint(config.ToJsonString(),
            [.. file.Tensors.Where(t => !t.Name.Contains($".layers.{Layers}.", StringComparison.Ordinal))
                .Select(t => new Tensor(t.Name, t.Type, [.. t.Shape], file.Bytes(t).ToArray()))]);
    }

    // A value of what config.json says about quantisation.
    private static string Changed(Random random, string config)
    {
        var json = JsonNode.Parse(config)!;
        List<JsonObject> objects = [];
        Collect(json["quantization_config"]);
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var place = random.Pick(objects);
            if (place.Count == 0) continue;
            var key = random.Pick([.. place.Select(p => p.Key)]);
            if (random.Next(5) == 0) place.Remove(key);
            else place[key] = JsonNode.Parse(random.Pick(Values));
        }
        return json.ToJsonString();

        void Collect(JsonNode? node)
        {
            if (node is not JsonObject inner) return;
            objects.Add(inner);
            foreach (var (_, value) in inner) Collect(value);
        }
    }

    private static List<Tensor> Changed(Random random, IReadOnlyList<Tensor> tensors)
    {
        List<Tensor> changed = [.. tensors];
        for (var n = random.Next(1, 3); n > 0; n--)
        {
            // Mostly what is quantised.
            var at = random.Next(changed.Count);
            if (!changed[at].Name.Contains("_proj", StringComparison.Ordinal)) at = random.Next(changed.Count);
            var tensor = changed[at];
            switch (random.Next(8))
            {
                case 0: changed.RemoveAt(at); break;
                case 1:
                    changed[at] = tensor with { Name = tensor.Name + random.Pick(["_", ".SCB", ".absmax", "2"]) };
                    break;
                case 2: changed[at] = Sized(tensor with { Type = random.Pick(Types) }); break;
                case 3: changed[at] = Sized(tensor with { Shape = OtherShape(random, tensor.Shape) }); break;
                case 4: changed[at] = tensor with { Shape = [.. tensor.Shape.Reverse()] }; break;
                default:
                    var bytes = random.Bytes(tensor.Bytes, random.Next(1, 5));
                    changed[at] = tensor.Name.Contains("quant_state", StringComparison.Ordinal)
                        ? tensor with { Bytes = bytes, Shape = [bytes.Length] } : Sized(tensor with { Bytes = bytes });
                    break;
            }
        }
        return [.. changed.DistinctBy(t => t.Name)];
    }

    private static long[] OtherShape(Random random, long[] shape)
    {
        if (shape.Length == 0 || random.Next(4) == 0) return [.. shape, 1];
        long[] other = [.. shape];
        var at = random.Next(other.Length);
        other[at] = Math.Clamp(random.Number(other[at]), 0, 512);
        return other;
    }

    // As many bytes as type and shape take.
    private static Tensor Sized(Tensor tensor)
    {
        var bytes = tensor.Bytes;
        Array.Resize(ref bytes, (int)(tensor.Shape.Aggregate(1L, (a, b) => a * b) * tensor.Type.Bits() / 8));
        return tensor with { Bytes = bytes };
    }
}
