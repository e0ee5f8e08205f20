using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Formats.Gguf;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;
using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>
/// Makes a model's description out of what a GGUF file says, as llama.cpp reads it. Where the file is silent, the value
/// is llama.cpp's. Stateless and thread-safe.
/// </summary>
internal static class GgufConfig
{
    private const string Architecture = "general.architecture", Window = "attention.sliding_window";

    /// <summary>Whether a path is that of a GGUF file.</summary>
    internal static bool IsFile(string path) => Path.GetExtension(path) == ".gguf" && !Directory.Exists(path);

    /// <summary>Reads an open file, or several of one model.</summary>
    /// <exception cref="ModelFormatException">The model is not supported, or the file contradicts itself.</exception>
    internal static TransformerConfig Read(WeightSource source)
    {
        var values = source.Gguf!;
        var (json, keys) = Describe(source);
        var config = FamilyTable.Read(
            StrictJson.ParseObject(Encoding.UTF8.GetBytes(json.ToJsonString()), values.File));
        return GgufRope.Apply(config.ModelType == "llama" ? WithBiases(config, source) : config, keys, source);
    }

    // As a config.json has it, but for rotary divisors and for biases of Llama.
    private static (JsonObject Json, GgufKeys Keys) Describe(WeightSource source)
    {
        var values = source.Gguf!;
        var name = values.Text(Architecture) ?? throw values.Error(Architecture, "is missing");
        var families = FamilyTable.All.Where(f => f.Gguf is { IsRead: true });
        var type = families.SingleOrDefault(f => f.Gguf!.Name == name)?.ModelType
            ?? throw values.Error(Architecture, $"is '{Message.Clip(name)}', which is not supported",
                $"Supported in GGUF: {string.Join(", ", families.Select(f => f.Gguf!.Name))}.");
        if (values.Integer($"{name}.expert_count") is > 0)
            throw values.Error($"{name}.expert_count", "says a mixture of experts, which is not supported");
        var keys = new GgufKeys(values, name);
        CheckSizes(keys, source);
        var json = type == "gpt2" ? Gpt2(keys, source) : LlamaLike(keys, source, type);
        json["model_type"] = type;
        json["tie_word_embeddings"] = !source.Contains("output.weight");
        json["eos_token_id"] = new JsonArray([.. Ends(values).Select(id => (JsonNode)id)]);
        json["bos_token_id"] = values.Token("bos");
        // Without a word about it some configurations of transformers pad with tokens that the model does not have.
        json["pad_token_id"] = values.Token("padding");
        return (json, keys);
    }

    /// <summary>The config.json of the same model in a folder.</summary>
    /// <param name="source">The files.</param>
    /// <param name="config">The description that was read from them.</param>
    /// <exception cref="UsageException">No config.json says what the files do.</exception>
    internal static JsonObject ToFolder(WeightSource source, TransformerConfig config)
    {
        var (json, keys) = Describe(source);
        if (config.AttentionBias != config.AttentionOutputBias && config.ModelType == "llama")
            throw new UsageException("No config.json says that of Llama's attention only some layers have biases.",
                source.Path, "Take the model's safetensors.");
        if (config.ModelType == "llama")
            (json["attention_bias"], json["mlp_bias"]) = (config.AttentionBias, config.FeedForwardBias);
        if (config.ModelType is "gemma2" or "gemma3_text")
            json["layer_types"] = new JsonArray([.. config.Layers.Select(
                layer => (JsonNode)(layer.Window > 0 ? "sliding_attention" : "full_attention"))]);
        GgufRope.AddTo(json, config, keys, source);
        return json;
    }

    /// <summary>
    /// What is odd about a file whose description was read, in a sentence; or null. Only Gemma's windows count there:
    /// llama.cpp has none in the layers of the others, whatever the file says.
    /// </summary>
    internal static string? Doubt(GgufValues values, TransformerConfig config)
    {
        var keys = new GgufKeys(values, values.Text(Architecture)!);
        return values.Integer(keys.Full(Window)) is { } window and > 0 && window < config.MaxPositions
            && config.Layers.All(layer => layer.Window == 0)
            ? $"the file has '{keys.Full(Window)}' of {window}, which is not used, as in llama.cpp: every token sees "
                + "all before it"
            : null;
    }

    private static IEnumerable<int> Ends(GgufValues values) =>
        ((string[])["eos", "eot", "eom"]).Select(values.Token).OfType<int>().Distinct();

    // Before memory is taken for what a file says, the tensors must bear it out.
    private static void CheckSizes(GgufKeys keys, WeightSource source)
    {
        if (keys.Size("block_count") > source.Count)
            throw keys.Error("block_count", $"is {keys.Size("block_count")}, and there are {source.Count} tensors");
        var heads = keys.Size("attention.head_count");
        var hidden = keys.Size("embedding_length");
        Expect("embedding_length", hidden, "token_embd.weight", ^1);
        Expect("feed_forward_length", keys.Size("feed_forward_length"), "blk.0.ffn_down.weight", ^1);
        Expect("attention.head_count", (long)heads * (keys.Optional("attention.key_length") ?? hidden / heads),
            "blk.0.attn_output.weight", ^1);
        if (source.Contains("position_embd.weight"))
            Expect("context_length", keys.Size("context_length"), "position_embd.weight", 0);

        void Expect(string key, long size, string tensor, Index dimension)
        {
            var shape = source.Get(tensor).Shape;
            if (shape.Length != 2 || shape[dimension] != size)
                throw keys.Error(key, $"does not fit {tensor}, which is [{string.Join(", ", shape)}]");
        }
    }

    private static JsonObject Gpt2(GgufKeys keys, WeightSource source) => new()
    {
        ["n_embd"] = keys.Size("embedding_length"), ["n_layer"] = keys.Size("block_count"),
        ["n_head"] = keys.Size("attention.head_count"), ["n_inner"] = keys.Size("feed_forward_length"),
        ["n_positions"] = keys.Size("context_length"), ["vocab_size"] = Vocabulary(source),
        ["layer_norm_epsilon"] = keys.Required("attention.layer_norm_epsilon"),
    };

    private static JsonObject LlamaLike(GgufKeys keys, WeightSource source, string type)
    {
        var (hidden, heads) = (keys.Size("embedding_length"), keys.Size("attention.head_count"));
        var headDim = keys.Optional("attention.key_length") ?? hidden / heads;
        if ((keys.Optional("attention.value_length") ?? headDim) != headDim)
            throw keys.Error("attention.value_length", $"must equal the length of keys, {headDim}");
        var json = new JsonObject
        {
            ["hidden_size"] = hidden, ["num_hidden_layers"] = keys.Size("block_count"),
            ["num_attention_heads"] = heads, ["head_dim"] = headDim,
            ["num_key_value_heads"] = keys.Optional("attention.head_count_kv") ?? heads,
            ["intermediate_size"] = keys.Size("feed_forward_length"), ["vocab_size"] = Vocabulary(source),
            ["max_position_embeddings"] = keys.Size("context_length"),
            ["rms_norm_eps"] = keys.Required("attention.layer_norm_rms_epsilon"),
            ["rope_theta"] = keys.Number("rope.freq_base") ?? 10000,
        };
        if (type is "gemma2" or "gemma3_text") AddGemma(json, keys, type == "gemma2");
        if (GgufRope.Scaling(keys) is { } factor)
            json["rope_scaling"] = new JsonObject { ["rope_type"] = "linear", ["factor"] = factor };
        return json;
    }

    private static void AddGemma(JsonObject json, GgufKeys keys, bool isSecond)
    {
        // No key says how scores are scaled: by the size of a head, but for the two of 27 billion, which llama.cpp
        // tells by their layers.
        var layers = keys.Size("block_count");
        json["query_pre_attn_scalar"] = layers == (isSecond ? 46 : 62)
            ? keys.Size("embedding_length") / (double)keys.Size("attention.head_count")
            : json["head_dim"]!.GetValue<int>();
        json["sliding_window"] = keys.Optional(Window) ?? (isSecond ? 4096 : null);
        if (keys.Number("attn_logit_softcapping") is { } scores) json["attn_logit_softcapping"] = scores;
        else if (isSecond) json["attn_logit_softcapping"] = 50;
        if (keys.Number("final_logit_softcapping") is { } final) json["final_logit_softcapping"] = final;
        else if (isSecond) json["final_logit_softcapping"] = 30;
        if (isSecond) return;
        json["sliding_window_pattern"] = keys.Optional("attention.sliding_window_pattern") ?? 6;
        json["rope_local_base_freq"] = keys.Number("rope.freq_base_swa") ?? 10000;
    }

    private static int Vocabulary(WeightSource source) => source.Get("token_embd.weight").Shape is [> 0 and var rows, _]
        && rows <= 1 << 24 ? (int)rows
        : throw new ModelFormatException("The token embedding is not a table of tokens.",
            Message.At(source.Path, "token_embd.weight"));

    // Some Llama have biases, and no key says so.
    private static TransformerConfig WithBiases(TransformerConfig config, WeightSource source) => config with
    {
        AttentionBias = source.Contains("blk.0.attn_q.bias"),
        AttentionOutputBias = source.Contains("blk.0.attn_output.bias"),
        FeedForwardBias = source.Contains("blk.0.ffn_up.bias"),
    };
}
