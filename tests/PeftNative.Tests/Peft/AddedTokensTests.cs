using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Adapters that were trained with added tokens: the base grows for what their files hold, and for nothing else.
/// </summary>
public sealed class AddedTokensTests : IDisposable
{
    private const int Tokens = 17, Added = 3;

    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TemporaryFolder folder = new();

    [Theory]
    [InlineData("llama", true, "embed_tokens", "lm_head")]
    [InlineData("llama", false, "embed_tokens", "lm_head")]
    [InlineData("llama", true, "embed_tokens")]
    [InlineData("gpt2", true, "wte", "lm_head")]
    [InlineData("t5", true, "lm_head")]
    public void The_base_grows_and_a_merge_holds_the_new_tokens(string family, bool isTied, params string[] saved)
    {
        WriteBase(family, isTied);
        var expected = WriteAdapter(new LoraConfig { R = 2, ModulesToSave = saved });
        folder.Write("adapter/tokenizer.json", Tokenizer(Tokens + Added));
        folder.Write("base/tokenizer.json", Tokenizer(Tokens));
        var (model, report) = Load();
        using (model)
        {
            Assert.Contains("grows by 3 to 20 tokens", Assert.Single(report.Doubts), StringComparison.Ordinal);
            using var adapter = AdapterFolder.Load(model, folder["adapter"]);
            Assert.Equal(expected, Scores(model, adapter));
        }
        ModelMerger.Merge(backend, folder["base"], [new AdapterSource(folder["adapter"])], folder["merged"]);
        var config = JsonNode.Parse(File.ReadAllText(folder["merged/config.json"]))!;
        Assert.Equal(Tokens + Added, config["vocab_size"]!.GetValue<int>());
        Assert.Equal(Tokenizer(Tokens + Added), File.ReadAllText(folder["merged/tokenizer.json"]));
        using var merged = ModelLoader.Load(backend, folder["merged"]).Model;
        var scores = Scores(merged);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], scores[i], 5e-5f);
    }

    [Fact]
    public void New_rows_are_the_mean_of_the_old_ones()
    {
        WriteBase("llama", isTied: false);
        var grown = new ModelOptions { VocabularySize = Tokens + Added };
        var (model, _) = ModelLoader.Load(backend, folder["base"], grown);
        using var owner = model;
        foreach (var parameter in new[] { model.Embedding.Table, model.Head.Output!.Weight })
        {
            var values = HostValues.Download(backend, parameter.Value);
            for (var c = 0; c < parameter.Columns; c++)
            {
                var mean = Enumerable.Range(0, Tokens).Average(r => (double)values[r * parameter.Columns + c]);
                for (var r = Tokens; r < Tokens + Added; r++)
                    Assert.Equal(mean, values[r * parameter.Columns + c], 1e-6);
            }
        }
    }

    [Fact]
    public void Rows_that_no_file_holds_are_refused_unless_a_tokenizer_knows_of_them()
    {
        WriteBase("llama", isTied: false);
        WriteAdapter(new LoraConfig { R = 2, ModulesToSave = ["embed_tokens"] });
        using (var model = Load().Model)
        {
            var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(model, folder["adapter"]));
            Assert.Contains("[20, ", error.Message, StringComparison.Ordinal);
            Assert.Contains("added tokens", error.Remedy, StringComparison.Ordinal);
        }
        folder.Write("adapter/tokenizer.json", Tokenizer(Tokens + Added));
        using var grown = Load().Model;
        using var adapter = AdapterFolder.Load(grown, folder["adapter"]);
        Assert.Contains("lacks the rows of the 3 added tokens in lm_head.weight", Assert.Single(adapter.Warnings),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Tokens + 4, Tokens + 4)]
    [InlineData(Tokens, Tokens)]
    [InlineData(5, Tokens)]
    public void A_tokenizer_alone_lets_the_base_grow_and_never_shrink(int known, int expected)
    {
        WriteBase("llama", isTied: true);
        using (var model = ModelLoader.Load(backend, folder["base"]).Model)
        using (var adapter = new LoraConfig().Create(model, seed: 1, trainable: false, "default"))
            AdapterFolder.Save(adapter, folder["adapter"]);
        folder.Write("adapter/tokenizer.json", Tokenizer(known));
        using var loaded = Load().Model;
        Assert.Equal(expected, loaded.Config.VocabularySize);
    }

    [Fact]
    public void An_adapter_that_is_trained_further_keeps_the_new_rows()
    {
        WriteBase("llama", isTied: false);
        var expected = WriteAdapter(new LoraConfig { R = 2, ModulesToSave = ["embed_tokens", "lm_head"] });
        Rewrite(config => config["modules_to_save"] = null); // as where the rows came from resizing alone
        using (var model = Load().Model)
        using (var adapter = AdapterFolder.Load(model, folder["adapter"], trainable: true))
            AdapterFolder.Save(adapter, folder["adapter"]);
        using var again = Load().Model;
        using var loaded = AdapterFolder.Load(again, folder["adapter"]);
        Assert.Equal(expected, Scores(again, loaded));
    }

    [Fact]
    public void A_vocabulary_cannot_shrink_and_two_sizes_are_refused()
    {
        WriteBase("llama", isTied: true);
        Assert.Throws<UsageException>(
            () => ModelLoader.Load(backend, folder["base"], new ModelOptions { VocabularySize = 5 }));
        WriteAdapter(new LoraConfig { R = 2, ModulesToSave = ["embed_tokens"] });
        var path = folder["adapter/adapter_model.safetensors"];
        var writer = SafetensorsWriter.ForPyTorch();
        using (var file = SafetensorsFile.Open(path))
            foreach (var tensor in file.Tensors)
            {
                var values = new float[tensor.ElementCount];
                file.ReadAs(tensor, values);
                writer.Add(tensor.Name, [.. tensor.Shape], values);
                if (tensor.Name.EndsWith("embed_tokens.weight", StringComparison.Ordinal))
                    writer.Add("base_model.model.lm_head.weight", [Tokens, tensor.Shape[1]],
                        values.AsMemory(0, Tokens * (int)tensor.Shape[1]));
            }
        writer.Save(path);
        using var model = Load().Model;
        Assert.Equal(Tokens, model.Config.VocabularySize);
        Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(model, folder["adapter"]));
    }

    public void Dispose()
    {
        folder.Dispose();
        backend.Dispose();
    }

    private (TransformerModel Model, LoadReport Report) Load() =>
        ModelLoader.Load(backend, folder["base"], AdapterLabels.OptionsFor(folder["adapter"], folder["base"]));

    private void WriteBase(string family, bool isTied)
    {
        foreach (var name in (string[])["base", "adapter"]) Directory.CreateDirectory(folder[name]);
        var task = family == "t5" ? ModelTask.SequenceToSequence : ModelTask.CausalLM;
        var json = JsonNode.Parse(TinyModels.Configs[family])!;
        if (family == "llama") json["tie_word_embeddings"] = isTied;
        folder.Write("base/config.json", json.ToJsonString());
        var config = FamilyTable.Read(folder["base"]) with { Task = task };
        Assert.Equal(Tokens, config.VocabularySize);
        using var model = ModelLoader.CreateRandom(backend, config, seed: 7);
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var p in model.Parameters.Where(p => p.TiedTo is null))
            writer.Add(p.Name, p.StoredShape, StoredOrder.ToFile(p, model.Values(p)));
        writer.Save(folder["base/model.safetensors"]);
    }

    // An adapter of the grown base, whose new rows are no mean; returns the scores with it.
    private float[] WriteAdapter(LoraConfig config)
    {
        var options = new ModelOptions { VocabularySize = Tokens + Added };
        using var model = ModelLoader.Load(backend, folder["base"], options).Model;
        using var adapter = config.Create(model, seed: 5, trainable: false, "default");
        foreach (var entry in adapter.Entries)
        {
            var values = HostValues.Download(backend, entry.Parameter.Value);
            HostValues.Upload(backend, [.. values.Select((v, i) => v + 0.3f * MathF.Sin(i))], entry.Parameter.Value);
        }
        AdapterFolder.Save(adapter, folder["adapter"]);
        return Scores(model, adapter);
    }

    private void Rewrite(Action<JsonNode> change)
    {
        var json = JsonNode.Parse(File.ReadAllText(folder["adapter/adapter_config.json"]))!;
        change(json);
        folder.Write("adapter/adapter_config.json", json.ToJsonString());
    }

    private float[] Scores(TransformerModel model, params AttachmentSet[] adapters)
    {
        using var run = new ModelRun(model, adapters);
        int[] tokens = [1, 5, Tokens, 16, Tokens + Added - 1, 3], offsets = [0, 4, 6];
        run.Forward(new TokenBatch(tokens, offsets)
        {
            Source = model.Config.Encoder is null ? null : new TokenBatch(tokens, offsets),
        });
        return HostValues.Download(backend, run.Scores());
    }

    private static string Tokenizer(int tokens) => new JsonObject
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = tokens - 1, ["content"] = "<new>" }),
        ["model"] = new JsonObject
        {
            ["type"] = "WordLevel",
            ["vocab"] = new JsonObject(
                Enumerable.Range(0, tokens - 1).Select(i => KeyValuePair.Create($"t{i}", (JsonNode?)i))),
        },
    }.ToJsonString();
}
