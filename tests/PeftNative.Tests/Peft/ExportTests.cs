using System.Text;
using PeftNative.Formats;
using PeftNative.Peft;
using PeftNative.Peft.Export;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Peft;

public sealed class ExportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static readonly LoraConfig Config = new()
    {
        R = 3, Alpha = 6, Initialization = LoraInitialization.Random, Targets = TargetModules.Of(["q_proj", "k_proj", "v_proj", "down_proj"]),
        AlphaPattern = [("v_proj", 12)],
    };

    [Fact]
    public void A_gguf_file_has_the_keys_and_shapes_that_llama_cpp_asks_for()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config);
        Assert.Equal(8, GgufLora.Write(adapter, folder["a.gguf"]));
        var file = GgufFile.Read(folder["a.gguf"]);
        Assert.Equal("llama", file.Values["general.architecture"]);
        Assert.Equal("adapter", file.Values["general.type"]);
        Assert.Equal("lora", file.Values["adapter.type"]);
        Assert.Equal(6f, file.Values["adapter.lora.alpha"]);
        Assert.Equal(16, file.Tensors.Count);
        Assert.Equal([10, 3], file.Tensors["blk.1.attn_q.weight.lora_a"].Shape); // the fastest dimension first
        Assert.Equal([3, 24], file.Tensors["blk.1.attn_q.weight.lora_b"].Shape);
        Assert.Equal([3, 12], file.Tensors["blk.0.attn_k.weight.lora_b"].Shape);
        Assert.Equal([13, 3], file.Tensors["blk.0.ffn_down.weight.lora_a"].Shape);
    }

    [Fact]
    public void Its_numbers_are_those_of_the_adapter_in_llama_cpps_order_and_scale()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config);
        GgufLora.Write(adapter, folder["a.gguf"]);
        var file = GgufFile.Read(folder["a.gguf"]);
        float[] Own(string key) => HostValues.Download(setting.Model.Backend, adapter.Entries.Single(e => e.Key.EndsWith(key, StringComparison.Ordinal)).Parameter.Value);
        Assert.Equal(Own("layers.0.self_attn.q_proj.lora_A.weight"), file.Tensors["blk.0.attn_q.weight.lora_a"].Values);
        // Heads of 6: rows 0 1 2 | 3 4 5 become 0 3 1 4 2 5.
        var rows = Own("layers.0.self_attn.q_proj.lora_B.weight").Chunk(3).ToArray();
        Assert.Equal(Enumerable.Range(0, 4).SelectMany(h => (int[])[0, 3, 1, 4, 2, 5], (h, i) => rows[6 * h + i]).SelectMany(r => r),
            file.Tensors["blk.0.attn_q.weight.lora_b"].Values);
        // alpha / r is 2 for all; this module's own factor is 4.
        Assert.Equal(Own("layers.0.self_attn.v_proj.lora_B.weight").Select(v => 2 * v), file.Tensors["blk.0.attn_v.weight.lora_b"].Values);
        Assert.Equal(Own("layers.1.mlp.down_proj.lora_B.weight"), file.Tensors["blk.1.ffn_down.weight.lora_b"].Values);
    }

    [Fact]
    public void A_tied_head_has_no_place_in_other_formats()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config
            with { Targets = TargetModules.Of("lm_head"), AlphaPattern = [] });
        Assert.Contains("lm_head", Assert.Throws<UsageException>(() =>
            GgufLora.Write(adapter, folder["a.gguf"])).Message, StringComparison.Ordinal);
        Assert.Contains("lm_head", Assert.Throws<UsageException>(() => MlxLora.Write(adapter, folder["mlx"])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Half_the_size_holds_the_same_numbers_rounded()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config);
        GgufLora.Write(adapter, folder["single.gguf"]);
        GgufLora.Write(adapter, folder["half.gguf"], half: true);
        var (single, half) = (GgufFile.Read(folder["single.gguf"]), GgufFile.Read(folder["half.gguf"]));
        foreach (var (name, tensor) in single.Tensors)
            Assert.Equal(tensor.Values.Select(v => (float)(Half)v), half.Tensors[name].Values);
    }

    [Fact]
    public void An_mlx_folder_has_turned_matrices_and_one_scale()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config with { AlphaPattern = [] });
        Assert.Equal(8, MlxLora.Write(adapter, folder["mlx"]));
        MlxLora.Write(adapter, folder["mlx"]); // its own files may be replaced
        using var file = SafetensorsFile.Open(Path.Combine(folder["mlx"], "adapters.safetensors"));
        Assert.Equal([10L, 3L], file.Get("model.layers.0.self_attn.q_proj.lora_a").Shape.ToArray());
        Assert.Equal([3L, 24L], file.Get("model.layers.0.self_attn.q_proj.lora_b").Shape.ToArray());
        var values = new float[30];
        file.ReadAs(file.Get("model.layers.0.self_attn.q_proj.lora_a"), values);
        var own = HostValues.Download(setting.Model.Backend, adapter.Entries[0].Parameter.Value);
        Assert.Equal(own[11], values[3 * 1 + 1]); // row 1, column 1
        Assert.Equal(own[9], values[3 * 9 + 0]);
        var parameters = StrictJson.ReadFile(Path.Combine(folder["mlx"], "adapter_config.json")).GetObject("lora_parameters");
        Assert.Equal(3, parameters.GetInt("rank"));
        Assert.Equal(2.0, parameters.GetDouble("scale"));
        Assert.Equal(["mlp.down_proj", "self_attn.k_proj", "self_attn.q_proj", "self_attn.v_proj"], parameters.GetStringList("keys"));
    }

    [Fact]
    public void What_a_format_has_no_place_for_is_refused()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var several = (LoraAdapter)setting.Add(Config);
        Assert.Contains("one scale", Assert.Throws<UsageException>(() => MlxLora.Write(several, folder["m"])).Message, StringComparison.Ordinal);
        var dora = (LoraAdapter)setting.Add(Config with { UseDora = true });
        Assert.Contains("DoRA", Assert.Throws<UsageException>(() => GgufLora.Write(dora, folder["g"])).Message, StringComparison.Ordinal);
        var embedding = (LoraAdapter)setting.Add(Config with { Targets = TargetModules.Of(["embed_tokens"]) });
        Assert.Contains("embed_tokens", Assert.Throws<UsageException>(() => GgufLora.Write(embedding, folder["g"])).Message, StringComparison.Ordinal);
        using var bert = new Setting("bert", ModelTask.SequenceClassification);
        var encoder = (LoraAdapter)bert.Add(new LoraConfig { R = 2 });
        Assert.Contains("bert", Assert.Throws<UsageException>(() => GgufLora.Write(encoder, folder["g"])).Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(folder["g"]));
    }

    /// <summary>A reader of what the writer writes, from the format's description.</summary>
    private sealed record GgufFile(Dictionary<string, object> Values, Dictionary<string, (int[] Shape, float[] Values)> Tensors)
    {
        public static GgufFile Read(string path)
        {
            using var reader = new BinaryReader(File.OpenRead(path));
            Assert.Equal("GGUF", Encoding.ASCII.GetString(reader.ReadBytes(4)));
            Assert.Equal(3, reader.ReadInt32());
            var (tensorCount, valueCount) = (reader.ReadInt64(), reader.ReadInt64());
            string Text() => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadInt64()));
            var values = new Dictionary<string, object>();
            for (var i = 0; i < valueCount; i++)
            {
                var key = Text();
                values.Add(key, reader.ReadInt32() switch { 6 => reader.ReadSingle(), 8 => Text(), var t => throw new InvalidDataException($"type {t}") });
            }
            var infos = new List<(string Name, int[] Shape, int Type, long Offset)>();
            for (var i = 0; i < tensorCount; i++)
            {
                var name = Text();
                int[] shape = [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => (int)reader.ReadInt64())];
                infos.Add((name, shape, reader.ReadInt32(), reader.ReadInt64()));
            }
            var data = (reader.BaseStream.Position + 31) / 32 * 32;
            var tensors = infos.ToDictionary(t => t.Name, t =>
            {
                Assert.Equal(0, t.Offset % 32);
                reader.BaseStream.Position = data + t.Offset;
                var count = t.Shape.Aggregate(1, (a, b) => a * b);
                return (t.Shape, (float[])[.. Enumerable.Range(0, count).Select(_ => t.Type == 1 ? (float)reader.ReadHalf() : reader.ReadSingle())]);
            });
            return new GgufFile(values, tensors);
        }
    }
}
