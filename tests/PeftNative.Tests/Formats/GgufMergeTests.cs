using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;
using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Chat;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>
/// Adapters on GGUF models: merged they give a folder that is the model before it was converted, and the same adapter
/// fits both.
/// </summary>
public sealed class GgufMergeTests : IDisposable
{
    private static readonly string[] Names = ["llama", "llama-tied-rope3", "llama-kquants", "qwen2", "qwen3",
        "qwen3-headdim", "gemma2", "gemma2-caps", "gemma3", "phi3", "gpt2"];

    private readonly ScratchFolder scratch = new();
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    public static TheoryData<string> Models => new(Names);

    [Theory]
    [MemberData(nameof(Models))]
    public void A_merged_model_is_the_folder_that_was_converted_and_takes_the_same_adapter(string name)
    {
        var recorded = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}");
        var (file, adapter) = (Path.Combine(recorded, "model.gguf"), scratch.File("adapter"));
        var (input, expected) = Recorded(recorded);
        var trained = WithAdapter(file, adapter, input, isNew: true);

        // With a scale of 0 the base alone: its recorded numbers are those of the model in transformers.
        var (bare, merged) = (scratch.File("bare"), scratch.File("merged"));
        Merge(file, new AdapterSource(adapter, 0), bare);
        Near(expected, Logits(bare, input));
        Merge(file, new AdapterSource(adapter), merged);
        Near(trained, Logits(merged, input));
        Near(trained, WithAdapter(bare, adapter, input, isNew: false));

        using var source = WeightSource.Open(merged);
        Assert.All(source.Tensors, t => Assert.Equal(StoredType.F32, t.Type));
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(recorded, "case.json")))!;
        var names = json["tensors"]!.AsArray().Select(t => t!["hf"]?.GetValue<string>()).OfType<string>();
        Assert.Equal(names.Order(StringComparer.Ordinal), source.Tensors.Select(t => t.Name));
        CheckTokens(file, merged, json);
    }

    [Fact]
    public void The_type_that_is_asked_for_is_written()
    {
        var file = SharedFolder.PathOrSkip("recorded/gguf/models/qwen2/model.gguf");
        WithAdapter(file, scratch.File("adapter"), new TokenBatch([1, 2], [0, 2]), isNew: true);
        Merge(file, new AdapterSource(scratch.File("adapter")), scratch.File("merged"), StoredType.F16);
        using var source = WeightSource.Open(scratch.File("merged"));
        Assert.All(source.Tensors, t => Assert.Equal(StoredType.F16, t.Type));
        Assert.Contains("\"dtype\": \"float16\"", File.ReadAllText(scratch.File("merged/config.json")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void There_is_no_way_back_to_blocks()
    {
        var file = SharedFolder.PathOrSkip("recorded/gguf/models/qwen2/model.gguf");
        WithAdapter(file, scratch.File("adapter"), new TokenBatch([1, 2], [0, 2]), isNew: true);
        Assert.Throws<UsageException>(() => ModelMerger.Merge(backend, file,
            [new AdapterSource(scratch.File("adapter"))], scratch.File("merged"),
            new MergeOptions { KeepQuantization = true }));
        Assert.False(Directory.Exists(scratch.File("merged")));
    }

    public void Dispose()
    {
        backend.Dispose();
        scratch.Dispose();
    }

    // The same ids, texts and conversation; the ids recorded for llama.cpp hold the file's.
    private static void CheckTokens(string file, string folder, JsonNode json)
    {
        var (own, written) = (HfTokenizer.Load(file), HfTokenizer.Load(folder));
        Assert.Equal(own.SpecialTokens.OrderBy(t => t.Key), written.SpecialTokens.OrderBy(t => t.Key));
        string[] more = ["", " ", "a  b\n\n c 1234 ½", "<s>the</s> world", "é 日 😀 don't I'LL"];
        foreach (var text in json["tokenizer"]!.AsArray().Select(t => t!["text"]!.GetValue<string>()).Concat(more))
        {
            Assert.Equal(own.Encode(text).Ids, written.Encode(text).Ids);
            Assert.Equal(own.Encode(text, "the").Ids, written.Encode(text, "the").Ids);
            Assert.Equal(own.Decode(own.Encode(text).Ids), written.Decode(own.Encode(text).Ids));
        }
        JsonArray messages() => [new JsonObject { ["role"] = "user", ["content"] = "the world" }];
        Assert.Equal(ChatTemplate.Load(file)?.Render(messages()).Text,
            ChatTemplate.Load(folder)?.Render(messages()).Text);
    }

    private void Merge(string file, AdapterSource adapter, string output, StoredType? type = null) =>
        ModelMerger.Merge(backend, file, [adapter], output,
            new MergeOptions { Type = type, TokenizerFiles = HfTokenizer.FilesOfGguf(file) });

    private float[] Logits(string path, TokenBatch input)
    {
        using var model = ModelLoader.Load(backend, path).Model;
        return Logits(model, input);
    }

    private float[] WithAdapter(string path, string adapter, TokenBatch input, bool isNew)
    {
        using var model = ModelLoader.Load(backend, path).Model;
        using var used = isNew
            ? new LoraConfig { R = 2, Targets = new(null, "all-linear"), Initialization = LoraInitialization.Random }
                .Create(model, seed: 5, trainable: true, "default")
            : AdapterFolder.Load(model, adapter);
        if (isNew) AdapterFolder.Save(used, adapter);
        return Logits(model, input, used);
    }

    private float[] Logits(TransformerModel model, TokenBatch input, params Adapter[] adapters)
    {
        using var run = new ModelRun(model, adapters);
        run.Forward(input);
        return HostValues.Download(backend, run.Scores());
    }

    private static (TokenBatch Input, float[] Logits) Recorded(string folder)
    {
        using var truth = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
        var input = truth.Get("inputs.input_ids");
        int[] ids = [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(truth.Bytes(input)).ToArray()
            .Select(id => (int)id)];
        var expected = new float[truth.Get("logits").ElementCount];
        truth.ReadAs(truth.Get("logits"), expected);
        var time = (int)input.Shape[1];
        return (new TokenBatch(ids, [.. Enumerable.Range(0, (int)input.Shape[0] + 1).Select(r => r * time)]),
            expected);
    }

    private static void Near(float[] expected, float[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        var (largest, difference) = (expected.Max(Math.Abs), Probe.Distance(expected, found));
        Assert.True(difference <= 2e-5 * largest, $"off by {difference} of {largest}");
    }
}
