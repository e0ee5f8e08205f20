using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Weights;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>
/// Embedding and head of checkpoints: one matrix or two, as the file has them and not only as config.json says.
/// </summary>
public sealed class TiedHeadTests : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TemporaryFolder folder = new();

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("t5")]
    public void A_head_of_its_own_counts_although_config_json_says_tied(string family)
    {
        Write("tied", family);
        Write("apart", family, head: HeadKind.Other);
        var (model, report) = ModelLoader.Load(backend, folder["apart"]);
        using var owner = model;
        using var tied = ModelLoader.Load(backend, folder["tied"]).Model;

        var (table, head) = (model.Embedding.Table, model.Head.Output!.Weight);
        Assert.Null(head.TiedTo);
        Assert.Equal(HostValues.Download(backend, tied.Embedding.Table.Value),
            HostValues.Download(backend, table.Value));
        // The file's head is twice the embedding, and so are its scores twice those of the tied model.
        Assert.Equal(Scores(tied).Select(s => 2 * s), Scores(model),
            (a, b) => Math.Abs(a - b) <= 1e-5f * (1 + Math.Abs(a)));
        Assert.Contains("tie_word_embeddings", Assert.Single(report.Doubts), StringComparison.Ordinal);
        Assert.Equal(report.Doubts, ModelLoader.Doubts(folder["apart"]));
        Assert.Equal(tied.ParameterCount + head.Count, model.ParameterCount);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("t5")]
    public void A_head_equal_to_the_embedding_stays_tied_in_silence(string family)
    {
        Write("model", family, head: HeadKind.Equal);
        var (model, report) = ModelLoader.Load(backend, folder["model"]);
        using var owner = model;
        Assert.Same(model.Embedding.Table, model.Head.Output!.Weight.TiedTo);
        Assert.Empty(report.Doubts);
        Assert.Empty(ModelLoader.Doubts(folder["model"]));
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("t5")]
    public void A_head_stands_for_an_absent_embedding(string family)
    {
        Write("whole", family);
        Write("headed", family, head: HeadKind.Equal, embedding: false);
        using var whole = ModelLoader.Load(backend, folder["whole"]).Model;
        var (model, report) = ModelLoader.Load(backend, folder["headed"]);
        using var owner = model;
        Assert.Equal(Scores(whole), Scores(model));
        Assert.Contains("no token embedding", Assert.Single(report.Doubts), StringComparison.Ordinal);
    }

    [Fact]
    public void An_absent_embedding_of_an_untied_model_is_missing()
    {
        Write("model", "llama", head: HeadKind.Equal, embedding: false, change: c => c["tie_word_embeddings"] = false);
        Assert.Contains("embed_tokens", Assert.Throws<ModelFormatException>(() =>
            ModelLoader.Load(backend, folder["model"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, true)]
    [InlineData(true, null, true)]
    [InlineData(false, null, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, true)]
    [InlineData(null, false, false)]
    public void T5_is_tied_whatever_config_json_says_and_scaled_as_it_says(bool? tie, bool? scale, bool isScaled)
    {
        Write("model", "t5", change: Change);
        using var model = ModelLoader.Load(backend, folder["model"]).Model;
        Assert.Same(model.Embedding.Table, model.Head.Output!.Weight.TiedTo);
        Assert.Equal(isScaled ? 1 / Math.Sqrt(12) : 1, model.Config.HeadScale);

        Write("apart", "t5", head: HeadKind.Other, change: Change);
        var (apart, report) = ModelLoader.Load(backend, folder["apart"]);
        using var owner = apart;
        Assert.Null(apart.Head.Output!.Weight.TiedTo);
        Assert.Equal(model.Config.HeadScale, apart.Config.HeadScale);
        Assert.Equal(tie != false,
            report.Doubts.Count > 0); // a head of its own is odd only where config.json denies it

        void Change(JsonObject config)
        {
            if (tie is { } t) config["tie_word_embeddings"] = t;
            if (scale is { } s) config["scale_decoder_outputs"] = s;
        }
    }

    private enum HeadKind { None, Equal, Other }

    private void Write(string name, string family, HeadKind head = HeadKind.None, bool embedding = true,
        Action<JsonObject>? change = null)
    {
        Directory.CreateDirectory(folder[name]);
        var config = JsonNode.Parse(TinyModels.Configs[family])!.AsObject();
        change?.Invoke(config);
        File.WriteAllText(Path.Combine(folder[name], "config.json"), config.ToJsonString());
        using var model = TinyModels.Create(backend, family,
            family == "t5" ? ModelTask.SequenceToSequence : ModelTask.CausalLM);
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var p in model.Parameters)
        {
            var isHead = p == model.Head.Output!.Weight;
            if (isHead ? head == HeadKind.None : p == model.Embedding.Table && !embedding) continue;
            var values = StoredOrder.ToFile(p, model.Values(p));
            if (isHead && head == HeadKind.Other) values = Array.ConvertAll(values, v => 2 * v);
            writer.Add(p.Name, p.StoredShape, values);
        }
        writer.Save(Path.Combine(folder[name], "model.safetensors"));
    }

    private float[] Scores(TransformerModel model)
    {
        using var run = new ModelRun(model);
        run.Forward(TinyModels.Batch(model));
        return HostValues.Download(backend, run.Scores());
    }

    public void Dispose()
    {
        folder.Dispose();
        backend.Dispose();
    }
}
