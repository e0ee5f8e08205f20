using System.Text;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Lora.Export;
using PeftNative.Peft.Matching;
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
        R = 3, Alpha = 6, Initialization = LoraInitialization.Random,
        Targets = TargetModules.Of(["q_proj", "k_proj", "v_proj", "down_proj"]),
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
        float[] Own(string key) => HostValues.Download(setting.Model.Backend,
            adapter.Entries.Single(e => e.Key.EndsWith(key, StringComparison.Ordinal)).Parameter.Value);
        Assert.Equal(Own("layers.0.self_attn.q_proj.lora_A.weight"), file.Tensors["blk.0.attn_q.weight.lora_a"].Values);
        // Heads of 6: rows 0 1 2 | 3 4 5 become 0 3 1 4 2 5.
        var rows = Own("layers.0.self_attn.q_proj.lora_B.weight").Chunk(3).ToArray();
        Assert.Equal(Enumerable.Range(0, 4).SelectMany(h => (int[])[0, 3, 1, 4, 2, 5], (h, i) => rows[6 * h + i])
            .SelectMany(r => r),
            file.Tensors["blk.0.attn_q.weight.lora_b"].Values);
        // alpha / r is 2 for all; this module's own factor is 4.
        Assert.Equal(Own("layers.0.self_attn.v_proj.lora_B.weight").Select(v => 2 * v),
            file.Tensors["blk.0.attn_v.weight.lora_b"].Values);
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
        var parameters = StrictJson.ReadFile(Path.Combine(folder["mlx"], "adapter_config.json"))
            .GetObject("lora_parameters");
        Assert.Equal(3, parameters.GetInt("rank"));
        Assert.Equal(2.0, parameters.GetDouble("scale"));
        Assert.Equal(["mlp.down_proj", "self_attn.k_proj", "self_attn.q_proj", "self_attn.v_proj"],
            parameters.GetStringList("keys"));
    }

    [Theory]
    [InlineData("llama", false, "q_proj", "down_proj")]
    [InlineData("llama", true, "q_proj", "v_proj")]
    [InlineData("gpt2", false, "c_attn")]
    [InlineData("llama-yarn", false, "embed_tokens", "lm_head", "o_proj")]
    public void An_mlx_folder_is_read_as_the_adapter_that_it_holds(string family, bool dora, params string[] targets)
    {
        using var setting = new Setting(family, ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config with
        {
            Targets = TargetModules.Of(targets), UseDora = dora, AlphaPattern = [], BaseModel = "someone/base",
        });
        setting.Disturb();
        MlxLora.Write(adapter, folder["mlx"]);
        using var read = PeftNative.Peft.AdapterFolder.Load(setting.Model, folder["mlx"]);
        Assert.Empty(read.Warnings);
        Assert.Equal((3, 6.0), (((LoraAdapter)read).LoraConfig.R, ((LoraAdapter)read).LoraConfig.Alpha));
        Assert.Equal(setting.Scores(adapter), setting.Scores(read));

        PeftNative.Peft.AdapterFolder.Save(read, folder["peft"]); // from here on it is PEFT's
        using var again = PeftNative.Peft.AdapterFolder.Load(setting.Model, folder["peft"]);
        Assert.Equal(setting.Scores(adapter), setting.Scores(again));
    }

    [Fact]
    public void An_mlx_folder_of_another_kind_or_with_half_a_pair_is_refused()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        MlxLora.Write((LoraAdapter)setting.Add(Config with { AlphaPattern = [] }), folder["mlx"]);
        var (weights, settings) = (folder["mlx/adapters.safetensors"], folder["mlx/adapter_config.json"]);
        var writer = SafetensorsWriter.ForPyTorch();
        using (var file = SafetensorsFile.Open(weights))
            foreach (var tensor in file.Tensors.Skip(1))
                writer.Add(tensor.Name, tensor.Shape.AsSpan(), new float[tensor.ElementCount]);
        writer.Save(weights);
        var error = Load();
        Assert.Equal(AdapterMisfit.Incomplete, error.Misfit); // mlx-lm draws what is missing
        File.WriteAllText(settings, File.ReadAllText(settings).Replace("\"lora\"", "\"full\"",
            StringComparison.Ordinal));
        Assert.Contains("mlx-lm's 'full' is not supported", Load().What, StringComparison.Ordinal);

        ModelFormatException Load() => Assert.Throws<ModelFormatException>(
            () => PeftNative.Peft.AdapterFolder.Load(setting.Model, folder["mlx"]));
    }

    [Fact]
    public void What_a_format_has_no_place_for_is_refused()
    {
        using var tied = new Setting("llama", ModelTask.CausalLM);
        using var bert = new Setting("bert", ModelTask.SequenceClassification);
        using var classifier = new Setting("llama", ModelTask.SequenceClassification);
        using var untied = new Setting("llama-yarn", ModelTask.CausalLM);
        var plain = Config with { AlphaPattern = [] };
        (Setting Setting, LoraConfig Config, string[] Said, bool InMlx)[] cases =
        [
            (tied, plain with { UseDora = true },
                ["DoRA's magnitudes (model.layers.0.self_attn.q_proj.lora_magnitude_vector"], true),
            (tied, plain with { Targets = TargetModules.Of(["embed_tokens"]) },
                ["model.embed_tokens is the head too"], false),
            (tied, plain with { ModulesToSave = ["model.norm"] }, ["modules_to_save (model.norm.weight)"], false),
            (tied, plain with { ModulesToSave = ["layers.0.input_layernorm"] },
                ["modules_to_save (model.layers.0.input_layernorm.weight)"], false),
            (untied, plain with { ModulesToSave = ["lm_head", "embed_tokens"] },
                ["modules_to_save (", "lm_head.weight", "embed_tokens.weight"], false),
            (tied, plain with { Bias = BiasTraining.LoraOnly },
                ["trained biases (model.layers.0.self_attn.q_proj.bias", "and 4 more"], false),
            (tied, plain with { Bias = BiasTraining.All }, ["trained biases ("], false),
            (tied, plain with { UseDora = true, Bias = BiasTraining.All, ModulesToSave = ["model.norm"] },
                ["trained biases (", "modules_to_save ("], false),
            (classifier, plain, ["modules_to_save (score.weight)"], false),
            (bert, new LoraConfig { R = 2 }, ["family bert"], false),
        ];
        foreach (var (setting, config, said, inMlx) in cases)
        {
            var adapter = (LoraAdapter)setting.Add(config);
            var gguf = Assert.Throws<UsageException>(() => GgufLora.Write(adapter, folder["g"])).Message;
            Assert.All(said, part => Assert.Contains(part, gguf, StringComparison.Ordinal));
            if (inMlx) continue;
            var mlx = Assert.Throws<UsageException>(() => MlxLora.Write(adapter, folder["m"])).Message;
            Assert.All(said, part => Assert.Contains(part, mlx, StringComparison.Ordinal));
        }
        Assert.False(Path.Exists(folder["g"]));
        Assert.False(Path.Exists(folder["m"]));
    }

    [Fact]
    public void An_embedding_beside_a_head_of_its_own_is_written()
    {
        using var setting = new Setting("llama-yarn", ModelTask.CausalLM);
        var adapter =
            (LoraAdapter)setting.Add(Config with { Targets = TargetModules.Of(["embed_tokens"]), AlphaPattern = [] });
        GgufLora.Write(adapter, folder["a.gguf"]);
        var tensors = GgufFile.Read(folder["a.gguf"]).Tensors;
        var (a, b) = (Own(setting, adapter, "lora_embedding_A"), Own(setting, adapter, "lora_embedding_B"));
        Assert.Equal([3, 17],
            tensors["token_embd.weight.lora_a"].Shape); // the fastest dimension first: r numbers for each token
        Assert.Equal([3, 8], tensors["token_embd.weight.lora_b"].Shape);
        Assert.Equal(a[2 * 17 + 5], tensors["token_embd.weight.lora_a"].Values[5 * 3 + 2]);
        Assert.Equal(b, tensors["token_embd.weight.lora_b"].Values);

        MlxLora.Write(adapter, folder["mlx"]);
        using var file = SafetensorsFile.Open(Path.Combine(folder["mlx"], "adapters.safetensors"));
        Assert.Equal([17L, 3L], file.Get("model.embed_tokens.lora_a").Shape.ToArray());
        Assert.Equal([3L, 8L], file.Get("model.embed_tokens.lora_b").Shape.ToArray());
    }

    [Fact]
    public void No_scale_is_not_taken_for_an_absent_one()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = (LoraAdapter)setting.Add(Config with { Alpha = 0, AlphaPattern = [("v_proj", 12)] });
        GgufLora.Write(adapter, folder["a.gguf"]);
        var file = GgufFile.Read(folder["a.gguf"]);
        Assert.Equal(3f, file.Values["adapter.lora.alpha"]); // as r: a factor of 1
        Assert.All(file.Tensors["blk.0.attn_q.weight.lora_b"].Values, v => Assert.Equal(0, v));
        Assert.Equal(Own(setting, adapter, "layers.0.self_attn.v_proj.lora_B").Select(v => 4 * v),
            file.Tensors["blk.0.attn_v.weight.lora_b"].Values);
    }

    // mlx-lm: (x a) b · scale, and with DoRA m / |W + (a b)ᵀ · scale| times the whole.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_mlx_folder_holds_the_same_products_whatever_ranks_and_scales(bool dora)
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter =
            (LoraAdapter)setting.Add(Config with { UseDora = dora, RankPattern = [("k_proj", 2), ("down_proj", 5)] });
        MlxLora.Write(adapter, folder["mlx"]);
        var settings = StrictJson.ReadFile(Path.Combine(folder["mlx"], "adapter_config.json"));
        Assert.Equal(dora ? "dora" : "lora", settings.GetString("fine_tune_type"));
        var (rank, scale) = (settings.GetObject("lora_parameters").GetInt("rank"),
            settings.GetObject("lora_parameters").GetDouble("scale"));
        Assert.Equal(5, rank);
        using var file = SafetensorsFile.Open(Path.Combine(folder["mlx"], "adapters.safetensors"));
        foreach (var (module, pair) in adapter.Pairs)
        {
            var (a, b) = (Read(file, $"{module}.lora_a"), Read(file, $"{module}.lora_b"));
            var (ownA, ownB) = (HostValues.Download(setting.Model.Backend, pair.A.Value),
                HostValues.Download(setting.Model.Backend, pair.B.Value));
            var (inputs, outputs) = (pair.A.Columns, pair.B.Rows);
            for (var o = 0; o < outputs; o++)
                for (var i = 0; i < inputs; i++)
                {
                    var theirs = scale * Enumerable.Range(0, rank)
                        .Sum(k => (double)a[i * rank + k] * b[k * outputs + o]);
                    var own = pair.Scale * Enumerable.Range(0, pair.A.Rows)
                        .Sum(k => (double)ownB[o * pair.A.Rows + k] * ownA[k * inputs + i]);
                    Assert.Equal(own, theirs, 1e-5);
                }
            if (dora) Assert.Equal(Own(setting, adapter, $"{module}.lora_magnitude_vector"), Read(file, $"{module}.m"));
        }
        Assert.Equal((dora ? 3 : 2) * adapter.Pairs.Count, file.Tensors.Length);
    }

    [Fact]
    public void Mlx_finds_tensors_under_its_own_names_of_modules()
    {
        using var setting = new Setting("gpt2", ModelTask.CausalLM);
        MlxLora.Write((LoraAdapter)setting.Add(new LoraConfig { R = 2 }), folder["mlx"]);
        using var file = SafetensorsFile.Open(Path.Combine(folder["mlx"], "adapters.safetensors"));
        Assert.Equal([12L, 2L], file.Get("model.h.1.attn.c_attn.lora_a").Shape.ToArray());
        Assert.Equal(["attn.c_attn"], StrictJson.ReadFile(Path.Combine(folder["mlx"], "adapter_config.json"))
            .GetObject("lora_parameters").GetStringList("keys"));
    }

    private static float[] Own(Setting setting, LoraAdapter adapter, string name) => HostValues.Download(
        setting.Model.Backend, adapter.Entries.Single(e => e.Parameter.Name.EndsWith(name, StringComparison.Ordinal))
            .Parameter.Value);

    private static float[] Read(SafetensorsFile file, string name)
    {
        var values = new float[file.Get(name).ElementCount];
        file.ReadAs(file.Get(name), values);
        return values;
    }

    /// <summary>A reader of what the writer writes, from the format's description.</summary>
    private sealed record GgufFile(Dictionary<string, object> Values,
        Dictionary<string, (int[] Shape, float[] Values)> Tensors)
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
                values.Add(key, reader.ReadInt32() switch { 6 =>
                    reader.ReadSingle(), 8 => Text(), var t => throw new InvalidDataException($"type {t}") });
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
                return (t.Shape, (float[])[.. Enumerable.Range(0, count)
                    .Select(_ => t.Type == 1 ? (float)reader.ReadHalf() : reader.ReadSingle())]);
            });
            return new GgufFile(values, tensors);
        }
    }
}
