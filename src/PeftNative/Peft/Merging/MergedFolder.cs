using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Merging;

/// <summary>What a merged model has of its base beside weights.</summary>
/// <param name="Path">The base: a folder, or a file.</param>
/// <param name="TokenizerFolder">Where the tokenizer is.</param>
/// <param name="Config">Its config.json.</param>
/// <param name="TokenizerFiles">Texts in place of the files of a tokenizer that is the base's.</param>
internal sealed record MergedBase(string Path, string TokenizerFolder, JsonObject Config,
    IReadOnlyDictionary<string, string> TokenizerFiles);

/// <summary>Writes the folder of a merged model: weights, config.json, and what belongs to the tokenizer.</summary>
internal static class MergedFolder
{
    /// <summary>What belongs to a tokenizer.</summary>
    internal static IReadOnlyList<string> TokenizerFiles { get; } =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "chat_template.jinja",
        "chat_template.json",
    ];

    private static readonly string[] OtherFiles = ["generation_config.json", "LICENSE", "LICENSE.txt", "LICENSE.md"];

    /// <summary>Writes everything at once or nothing; returns the names of the weights files.</summary>
    /// <param name="from">The base.</param>
    /// <param name="output">The new folder.</param>
    /// <param name="model">The merged model.</param>
    /// <param name="tensors">Its tensors.</param>
    /// <param name="maxShardBytes">The most bytes of a weights file.</param>
    /// <param name="work">Told the bytes.</param>
    /// <param name="merged">What the adapters are called, and their digests.</param>
    /// <param name="check">Looks at all that was written before it takes its place; an error leaves nothing.</param>
    public static IReadOnlyList<string> Write(
        MergedBase from, string output, TransformerModel model, IReadOnlyList<MergedTensor> tensors,
        long maxShardBytes, Work work, IReadOnlyList<(string Name, string Digest)> merged, Action<string> check)
    {
        work.Total = tensors.Sum(t => t.Bytes);
        var shards = Shards(tensors, maxShardBytes);
        var companions = FindCompanions(from);
        var texts = from.TokenizerFolder == from.Path ? from.TokenizerFiles : new Dictionary<string, string>();
        var bytes = tensors.Sum(t => t.Bytes) + companions.Sum(f => new FileInfo(f).Length);
        List<string> names = shards.Count == 1
            ? ["model.safetensors"]
            : [.. Enumerable.Range(1, shards.Count)
                .Select(i => $"model-{i:00000}-of-{shards.Count:00000}.safetensors")];
        AtomicFolder.Write(output, folder =>
        {
            for (var i = 0; i < shards.Count; i++) folder.WriteTensors(names[i], Collect(shards[i], work));
            if (shards.Count > 1) folder.WriteText("model.safetensors.index.json", Index(shards, names));
            folder.WriteText("config.json", PeftJson.Write(Config(from.Config, model, tensors)) + "\n");
            foreach (var (name, text) in texts) folder.WriteText(name, text);
            foreach (var file in companions.Where(f => !texts.ContainsKey(Path.GetFileName(f))))
                folder.WriteFile(Path.GetFileName(file), stream => Copy(file, stream));
            folder.WriteText(BaseIdentity.MergedName, BaseIdentity.WriteMerged(from.Path, merged, folder.Root) + "\n");
            check(folder.Root);
        }, bytes: bytes);
        return names;
    }

    // Files of two tokenizers are never mixed.
    private static List<string> FindCompanions(MergedBase from) =>
    [
        .. TokenizerFiles.Select(n => Path.Combine(from.TokenizerFolder, n))
            .Concat(OtherFiles.Select(n => Path.Combine(from.Path, n))).Where(File.Exists),
    ];

    private static List<List<MergedTensor>> Shards(IReadOnlyList<MergedTensor> tensors, long most)
    {
        var shards = new List<List<MergedTensor>> { new() };
        var used = 0L;
        foreach (var tensor in tensors)
        {
            if (used > 0 && used + tensor.Bytes > most)
            {
                shards.Add([]);
                used = 0;
            }
            shards[^1].Add(tensor);
            used += tensor.Bytes;
        }
        return shards;
    }

    private static SafetensorsWriter Collect(List<MergedTensor> tensors, Work work)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var tensor in tensors)
            writer.Add(tensor.Name, tensor.Type, tensor.Shape, stream =>
            {
                tensor.Write(stream);
                work.Add(tensor.Bytes);
            });
        return writer;
    }

    private static string Index(List<List<MergedTensor>> shards, List<string> names) => PeftJson.Write(new JsonObject
    {
        ["metadata"] = new JsonObject { ["total_size"] = shards.Sum(s => s.Sum(t => t.Bytes)) },
        ["weight_map"] = new JsonObject(
            shards.SelectMany((shard, i) => shard.Select(t => KeyValuePair.Create(t.Name, (JsonNode?)names[i])))),
    }) + "\n";

    /// <summary>The config.json of a base, or what it would be; of one that becomes dense without its codes.</summary>
    public static JsonObject ConfigOf(string baseFolder, WeightSource source, TransformerModel model, bool keepsForm)
    {
        if (source.Gguf is not null)
        {
            var json = GgufConfig.ToFolder(source, model.Config);
            (json["architectures"], json["dtype"]) = (new JsonArray(model.Family.ClassFor(model.Task)), "float32");
            return json;
        }
        var config = JsonObject.Create(StrictJson.ReadFile(Path.Combine(baseFolder, "config.json")).Element)!;
        if (keepsForm) return config;
        foreach (var key in (string[])["quantization_config", "compression_config"]) config.Remove(key);
        (config["text_config"] as JsonObject)?.Remove("quantization_config");
        return config;
    }

    // With what the new head makes different.
    private static JsonObject Config(JsonObject config, TransformerModel model, IReadOnlyList<MergedTensor> tensors)
    {
        var types = tensors.Select(t => t.Type).Where(t => t is StoredType.F32 or StoredType.F16 or StoredType.BF16)
            .Distinct().ToList();
        if (types is [var only])
            foreach (var key in (string[])["dtype", "torch_dtype"])
                if (config.ContainsKey(key))
                    config[key] = only switch { StoredType.F16 =>
                        "float16", StoredType.BF16 => "bfloat16", _ => "float32" };
        if (IsUntied(model)) Untie(config, model);
        if (model.AddedTokens > 0) config["vocab_size"] = model.Config.VocabularySize;
        if (!model.Task.Classifies()) return config;
        config["architectures"] = new JsonArray(model.Family.ClassFor(model.Task));
        foreach (var (key, value) in AdapterLabels.ToConfig(model.Config.Labels,
            model.Config.ProblemType ?? ProblemType.SingleLabel))
            config[key] = value?.DeepClone();
        if (model.Task == ModelTask.TokenClassification) config.Remove("problem_type");
        config.Remove("num_labels");
        return config;
    }

    /// <summary>Whether a model has two matrices where its config.json says one.</summary>
    internal static bool IsUntied(TransformerModel model) =>
        model.Task.WritesText() && model.Config.TieWordEmbeddings && model.Head.Output!.Weight.TiedTo is null;

    private static void Untie(JsonObject config, TransformerModel model)
    {
        config["tie_word_embeddings"] = false;
        // Where it is absent T5 takes the tie for the scale.
        if (model.Config.AlwaysTies && !config.ContainsKey("scale_decoder_outputs"))
            config["scale_decoder_outputs"] = model.Config.HeadScale != 1;
    }

    private static void Copy(string file, Stream target)
    {
        using var stream = File.OpenRead(file);
        stream.CopyTo(target, 1 << 20);
    }
}
