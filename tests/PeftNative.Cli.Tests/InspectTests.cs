using System.IO.Compression;
using System.Text;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>
/// inspect names what a file is, what it is not, and what can be done with it; check --adapter whether it fits.
/// </summary>
public sealed class InspectTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("LoRA of kohya's scripts", "lora_unet_down_blocks_0_proj_in.lora_down.weight")]
    [InlineData("LoRA of kohya's scripts", "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha")]
    [InlineData("LoRA of diffusers", "unet.down_blocks.0.attn1.to_k.lora.down.weight")]
    [InlineData("LoRA of diffusers", "transformer.transformer_blocks.0.attn.to_k.lora_A.weight")]
    [InlineData("LoRA of diffusers", "down_blocks.0.attn1.processor.to_k_lora.down.weight")]
    [InlineData("adapter of mlx-lm", "model.layers.0.self_attn.q_proj.lora_a")]
    [InlineData("tensors of a PEFT adapter", "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight")]
    [InlineData("tensors of a PEFT adapter", "prompt_embeddings")]
    [InlineData("tensors of an AdapterHub adapter", "bert.encoder.layer.0.output.adapters.a.adapter_up.weight")]
    [InlineData("embeddings of textual inversion", "<cat-toy>")]
    [InlineData("embeddings of textual inversion", "emb_params")]
    [InlineData("checkpoint of a diffusion model", "model.diffusion_model.input_blocks.0.0.weight")]
    [InlineData("original Llama checkpoint", "layers.0.attention.wq.weight")]
    [InlineData("weights of a model, without its config.json", "transformer.wte.weight")]
    [InlineData("optimizer state", "first_moment")]
    [InlineData("file of tensors", "something")]
    public void Files_of_tensors_are_named_by_their_tensors(string title, string tensor)
    {
        var path = Tensors("a.safetensors", tensor);
        var head = Command.Succeed("inspect", path, "--json").Lines[0];
        Assert.StartsWith(title, head["is"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains(tensor, head["shown_by"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.All(head["can"]!.AsObject(), c => Assert.False(c.Value!["here"]!.GetValue<bool>()));
        Assert.Matches("This version cannot train, .* or export it: .{20}", Command.Succeed("inspect", path).Out);
        Assert.Contains("has no adapter_config.json", Command.Fail(4, "generate", "--model", TinyModels.Llama(folder),
            "--adapter", path, "--prompt", "a"), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_and_folders_of_other_programs_are_named()
    {
        Expect("ONNX model", Bytes("m.onnx", 8, 8, 18, 7));
        Expect("ONNX model", Bytes("m.unnamed", 8, 8, 18, 7));
        Expect("HDF5 file", Bytes("m.h5", 0x89, (byte)'H', (byte)'D', (byte)'F'));
        Expect("Parquet table", Bytes("p.parquet", [.. "PAR1"u8]));
        Expect("checkpoint of PyTorch with more than tensors", Torch("full.ckpt", "epoch"));
        Expect("original Llama checkpoint", Torch("original/consolidated.00.pth", "layers"));
        Expect("original Llama checkpoint", folder["original"]);
        Expect("pipeline of diffusers", Text("pipeline/model_index.json", "{}"));
        Expect("model of sentence-transformers", Text("sentences/modules.json", "[]"));
        Expect("tokenizer, without a model", Text("words/vocab.txt", "a"));
        Expect("settings of a model, without its weights", Text("bare/config.json", """{"model_type":"llama"}"""));
        Expect("folder of several adapters", Text("many/one/adapter_config.json", """{"peft_type":"LORA"}"""), "many");
        Tensors("mlx/model.safetensors", "w.weight", "w.scales", "w.biases");
        Expect("model quantised by mlx",
            Text("mlx/config.json", """{"model_type":"llama","quantization":{"bits":4}}"""));
        Expect("data file", TinyModels.Prompts(folder), able: true);
        Expect("settings file", Path.Combine(Text("one/adapter_config.json", """{"peft_type":"LORA"}"""),
            "adapter_config.json"));

        void Expect(string title, string path, string? at = null, bool able = false)
        {
            var head = Command.Succeed("inspect", at is null ? path : folder[at], "--json").Lines[0];
            Assert.StartsWith(title, head["is"]!.GetValue<string>(), StringComparison.Ordinal);
            Assert.Equal(able, head["can"]!.AsObject().Any(c => c.Value!["here"]!.GetValue<bool>()));
        }
    }

    [Fact]
    public void What_is_not_known_says_what_was_looked_for()
    {
        Directory.CreateDirectory(folder["empty"]);
        foreach (var path in (string[])[Bytes("m.xyz", 1, 2, 3, 4), folder["empty"]])
        {
            Assert.Contains("Looked for: safetensors, GGUF", Command.Fail(4, "inspect", path),
                StringComparison.Ordinal);
            var line = Command.Run("inspect", path, "--json").Lines.Single();
            Assert.Equal("nothing that is known here", line["is"]!.GetValue<string>());
        }
        Command.Fail(5, "inspect", folder["absent"]);
    }

    [Fact]
    public void What_can_be_done_with_models_and_adapters_is_what_the_verbs_can_do()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Assert.Equal("train eval predict generate merge export", Able(model)); // there is no chat template
        Assert.Equal("train eval predict merge", Able(TinyModels.Bert(folder)));
        string[] train = ["train", "--model", model, "--data", data, "--max_steps", "1", "--backend", "reference"];
        Command.Succeed([.. train, "--output", folder["lora"]]);
        Command.Succeed([.. train, "--output", folder["prompt"], "--method", "prompt"]);
        Assert.Equal("train eval predict generate chat merge export", Able(folder["lora"]));
        Assert.Equal("train eval predict generate chat", Able(folder["prompt"]));
        Command.Succeed("export", "--model", model, "--adapter", folder["lora"], "--to", "mlx", "--output",
            folder["mlx"]);
        Assert.Equal("train eval predict generate chat merge export", Able(folder["mlx"]));
        Command.Succeed("eval", "--model", model, "--adapter", folder["mlx"], "--data", data, "--backend", "reference");
        Command.Succeed("export", "--model", model, "--adapter", folder["lora"], "--to", "gguf-lora", "--output",
            folder["lora.gguf"]);
        Assert.Equal("", Able(folder["lora.gguf"]));
        Assert.Contains("GGUF LoRA adapter", Command.Succeed("inspect", folder["lora.gguf"]).Out,
            StringComparison.Ordinal);

        string Able(string path) => string.Join(' ', Command.Succeed("inspect", path, "--json").Lines[0]["can"]!
            .AsObject().Where(c => c.Value!["here"]!.GetValue<bool>()).Select(c => c.Key));
    }

    [Fact]
    public void Check_says_in_advance_whether_an_adapter_fits_and_why_not()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed("train", "--model", model, "--data", data, "--max_steps", "1", "--output", folder["a"],
            "--lr", "0.05", "--backend", "reference");
        var fit = Command.Succeed("check", "--model", model, "--adapter", folder["a"], "--json").Lines.Single();
        Assert.True(fit["ok"]!.GetValue<bool>());
        Assert.Empty(fit["fit"]!["doubts"]!.AsArray());
        Command.Succeed("check", "--model", model, "--adapter", folder["a"], "--data", data);

        (string, string)[] others =
            [(TinyModels.Bert(folder), "other family"), (TinyModels.T5(folder), "other family"),
                (Shallow(), "other base")];
        foreach (var (other, reason) in others)
        {
            string[] check = ["check", "--model", other, "--adapter", folder["a"]];
            var said = Command.Fail(4, check);
            Assert.Contains("does not fit", said, StringComparison.Ordinal);
            Assert.Contains("no: " + reason, Command.Run(check).Out, StringComparison.Ordinal);
            Assert.Equal(reason,
                Command.Run([.. check, "--json"]).Lines.Single()["fit"]!["reason"]!.GetValue<string>());
            Assert.Equal(said, Command.Fail(4, "eval", "--model", other, "--adapter", folder["a"], "--data", data));
        }
        Assert.Contains("--epochs has no effect", Command.Fail(2, "check", "--model", model, "--adapter", folder["a"],
            "--epochs", "1"), StringComparison.Ordinal);
        Assert.Contains("--data is missing", Command.Fail(2, "check", "--model", model), StringComparison.Ordinal);
    }

    private string Shallow()
    {
        var model = TinyModels.Llama(folder, "shallow");
        var config = Path.Combine(model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":1",
            StringComparison.Ordinal));
        return model;
    }

    private string Tensors(string name, params string[] tensors)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var tensor in tensors) writer.Add(tensor, [2, 2], new float[4]);
        Directory.CreateDirectory(Path.GetDirectoryName(folder[name])!);
        writer.Save(folder[name]);
        return folder[name];
    }

    private string Bytes(string name, params byte[] bytes)
    {
        File.WriteAllBytes(folder[name], bytes);
        return folder[name];
    }

    private string Text(string name, string text) => Path.GetDirectoryName(folder.Write(name, text))!;

    // A dictionary with a dictionary in it, as torch.save writes it.
    private string Torch(string name, string key)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[name])!);
        using var archive = new ZipArchive(File.Create(folder[name]), ZipArchiveMode.Create);
        using (var pickle = archive.CreateEntry("archive/data.pkl", CompressionLevel.NoCompression).Open())
            pickle.Write([0x80, 2, (byte)'}', (byte)'X', (byte)key.Length, 0, 0, 0, .. Encoding.UTF8.GetBytes(key),
                (byte)'}', (byte)'s', (byte)'.']);
        using var version = archive.CreateEntry("archive/version", CompressionLevel.NoCompression).Open();
        version.Write("3\n"u8);
        return folder[name];
    }
}
