using System.Text.Json.Nodes;
using PeftNative.Determinism;

namespace PeftNative.Tests.Models;

/// <summary>
/// config.json of every family with sizes drawn from a seed: odd widths, one key/value head or several, one to three
/// layers.
/// </summary>
internal static class RandomShapes
{
    /// <summary>A family's config and the task it is for.</summary>
    internal sealed record Shape(string Family, ModelTask Task, string Config)
    {
        public override string ToString() => Family;
    }

    internal static readonly string[] Families =
    [
        "gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3_text", "gpt_neox", "opt",
        "bert", "roberta", "distilbert", "t5", "mt5", "phi", "stablelm", "starcoder2", "granite", "olmo2", "olmo3",
        "smollm3", "exaone4", "ministral", "seed_oss", "gpt_neo", "falcon", "hunyuan_v1_dense",
    ];

    // A place in the list is a part of the seed: the list only grows at its end.
    private static readonly HashSet<string> FirstDecoders =
        ["gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3_text", "gpt_neox", "opt"];

    /// <summary>The shape of a family for a seed.</summary>
    internal static Shape Of(string family, ulong seed)
    {
        var random = new RandomStream(seed, RandomPurpose.Test, (ulong)Array.IndexOf(Families, family));
        var drawn = 0UL;
        int Between(int least, int most) => least + random.Below(most - least + 1, drawn++);
        var heads = (int[])[1, 2, 3, 5];
        var h = heads[Between(0, 3)];
        var kv = Between(0, 2) == 0 ? h : 1;
        var layers = Between(1, 3);
        var json = new JsonObject { ["model_type"] = family, ["vocab_size"] = Between(31, 60),
            ["initializer_range"] = 0.25 };
        switch (family)
        {
            case "gpt2":
                Set(("n_head", h), ("n_embd", h * Between(3, 9)), ("n_layer", layers), ("n_inner", Between(5, 41)),
                    ("n_positions", 24));
                break;
            case "bert" or "roberta" or "distilbert":
                var d = h * Between(3, 9);
                Set(("num_attention_heads", h), ("n_heads", h), ("hidden_size", d), ("dim", d),
                    ("num_hidden_layers", layers), ("n_layers", layers));
                var f = Between(5, 41);
                Set(("intermediate_size", f), ("hidden_dim", f), ("max_position_embeddings", 24),
                    ("type_vocab_size", family == "bert" ? 2 : 1), ("pad_token_id", 1));
                break;
            case "opt":
                d = h * Between(3, 9);
                Set(("num_attention_heads", h), ("hidden_size", d), ("word_embed_proj_dim", d),
                    ("num_hidden_layers", layers), ("ffn_dim", Between(5, 41)), ("max_position_embeddings", 24));
                break;
            case "gpt_neox":
                Set(("num_attention_heads", h), ("hidden_size", h * 2 * Between(2, 5)), ("num_hidden_layers", layers),
                    ("intermediate_size", Between(5, 41)), ("max_position_embeddings", 24));
                (json["rotary_pct"], json["use_parallel_residual"], json["tie_word_embeddings"]) =
                    (0.5, Between(0, 1) == 1, false);
                if ((int)json["hidden_size"]! / h % 4 != 0) json["rotary_pct"] = 1.0; // half of a head must be even
                break;
            case "gpt_neo":
                Set(("num_heads", h), ("hidden_size", h * Between(3, 9)), ("num_layers", layers),
                    ("intermediate_size", Between(5, 41)), ("max_position_embeddings", 24),
                    ("window_size", Between(2, 6)));
                json["attention_types"] = JsonNode.Parse($$"""[[["local"], {{layers}}]]""");
                break;
            case "falcon":
                Set(("num_attention_heads", h), ("hidden_size", h * 2 * Between(2, 5)), ("num_hidden_layers", layers),
                    ("ffn_hidden_size", Between(5, 41)));
                json["bias"] = Between(0, 1) == 1;
                break;
            case "phi" or "stablelm":
                var half = Between(1, 3);
                Set(("num_attention_heads", h), ("num_key_value_heads", kv), ("hidden_size", h * 4 * half),
                    ("num_hidden_layers", layers), ("intermediate_size", Between(5, 41)),
                    ("max_position_embeddings", 32));
                json["partial_rotary_factor"] = 0.5;
                break;
            case "t5" or "mt5":
                Set(("num_heads", h), ("d_model", Between(5, 23)), ("d_kv", Between(3, 9)), ("d_ff", Between(5, 41)),
                    ("num_layers", layers), ("num_decoder_layers", Between(1, 3)),
                    ("relative_attention_num_buckets", 2 * Between(2, 5)),
                    ("relative_attention_max_distance", Between(6, 12)), ("decoder_start_token_id", 0));
                (json["feed_forward_proj"], json["tie_word_embeddings"]) =
                    (family == "mt5" ? "gated-gelu" : "relu", family == "t5");
                break;
            default:
                var headDim = 2 * Between(2, 5);
                var derived = family is "qwen2" or "phi3" || family == "mistral" && Between(0, 1) == 0;
                Set(("num_attention_heads", h), ("num_key_value_heads", kv), ("num_hidden_layers", layers),
                    ("intermediate_size", Between(5, 41)), ("max_position_embeddings", 32));
                json["hidden_size"] = derived ? h * headDim : Between(7, 33);
                if (!derived) json["head_dim"] = headDim;
                json["tie_word_embeddings"] = family.StartsWith("gemma", StringComparison.Ordinal)
                    || Between(0, 1) == 1;
                json["rms_norm_eps"] = 1e-5;
                if (family == "phi3") (json["pad_token_id"], json["tie_word_embeddings"]) = (0, false);
                if (family is "mistral" or "gemma2" or "gemma3_text") json["sliding_window"] = Between(2, 6);
                if (family is "gemma2" or "gemma3_text")
                {
                    json["query_pre_attn_scalar"] = Between(3, 17);
                    json["layer_types"] = new JsonArray(
                        [.. Enumerable.Range(0, layers)
                            .Select(i => (JsonNode)(i % 2 == 0 ? "sliding_attention" : "full_attention"))]);
                }
                if (family == "gemma2") (json["attn_logit_softcapping"], json["final_logit_softcapping"]) = (3.0, 4.0);
                if (family == "gemma3_text")
                    json["rope_parameters"] =
                        JsonNode.Parse(
                            """
                            {"full_attention": {"rope_theta": 50000.0, "rope_type": "default"},
                             "sliding_attention": {"rope_theta": 1000.0, "rope_type": "default"}}
                            """);
                break;
        }
        var task = family is "t5" or "mt5" ? ModelTask.SequenceToSequence
            : family is "bert" or "roberta" or "distilbert" || FirstDecoders.Contains(family) && Between(0, 3) == 0
            ? ModelTask.SequenceClassification : ModelTask.CausalLM;
        return new Shape(family, task, json.ToJsonString());

        void Set(params (string Key, int Value)[] values)
        {
            foreach (var (key, value) in values) json[key] = value;
        }
    }
}
