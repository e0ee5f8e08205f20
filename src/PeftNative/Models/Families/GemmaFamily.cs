using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>
/// Gemma (arXiv:2403.08295), Gemma 2 (arXiv:2408.00118) and the text part of Gemma 3 (arXiv:2503.19786): Llama with
/// scaled embeddings and gains stored minus one; then norms on both sides, soft caps and alternating windows; then
/// norms of query and key heads and two rotary bases.
/// </summary>
internal static class GemmaFamily
{
    private static readonly ModuleNames NamesWithPostNorms = LlamaFamily.Names with
    {
        AttentionPostNorm = "post_attention_layernorm",
        FeedForwardNorm = "pre_feedforward_layernorm",
        FeedForwardPostNorm = "post_feedforward_layernorm",
    };

    internal static Family Gemma { get; } = LlamaFamily.Instance with
    {
        ModelType = "gemma",
        ClassStem = "Gemma",
        Gguf = new("gemma", GgufRows.AsStored),
        Targets = LlamaFamily.Instance.Targets.With("ia3", "q_proj", "v_proj", "down_proj"),
        ReadConfig = Read,
    };

    internal static Family Gemma2 { get; } = Gemma with
    {
        ModelType = "gemma2",
        ClassStem = "Gemma2",
        Gguf = new("gemma2", GgufRows.AsStored, IsRead: true),
        Names = NamesWithPostNorms,
        ReadConfig = c => ReadSecond(c, Read(c), i => i % 2 == 0),
    };

    internal static Family Gemma3 { get; } = Gemma with
    {
        ModelType = "gemma3_text",
        ClassStem = "Gemma3",
        ClassifierStem = "Gemma3Text",
        Gguf = new("gemma3", GgufRows.AsStored, IsRead: true),
        Names = NamesWithPostNorms with { QueryNorm = "self_attn.q_norm", KeyNorm = "self_attn.k_norm" },
        ReadConfig = ReadThird,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var config = LlamaFamily.Read(c);
        return config with
        {
            Activation = c.Activation("hidden_activation", c.Text("hidden_act") is { } old && old != "gelu"
                ? old : "gelu_pytorch_tanh"),
            NormGammaOffset = 1,
            EmbeddingScale = (float)Math.Sqrt(config.HiddenSize),
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }

    private static TransformerConfig ReadSecond(ConfigReader c, TransformerConfig first, Func<int, bool> isWindowed,
        RopeSettings? windowRope = null)
    {
        var scale = 1 / Math.Sqrt(c.Double("query_pre_attn_scalar", 256));
        var config = first.WithLayers((layer, _) => layer with { AttentionScale = scale });
        return config with
        {
            NormPlacement = NormPlacement.Around,
            AttentionSoftCap = c.OptionalDouble("attn_logit_softcapping") ?? 0,
            FinalSoftCap = c.OptionalDouble("final_logit_softcapping") ?? 0,
            Layers = c.Plan(config, c.Window(), isWindowed, windowRope),
        };
    }

    private static TransformerConfig ReadThird(ConfigReader c)
    {
        var config = Read(c);
        var (d, positions) = (config.HeadDim, config.MaxPositions);
        var full = c.Rope(d, positions, "full_attention", c.OptionalDouble("rope_theta") ?? 1_000_000);
        var pattern = c.OptionalInt("sliding_window_pattern") ?? c.OptionalInt("_sliding_window_pattern") ?? 6;
        return ReadSecond(c, config.WithLayers((layer, _) => layer with { Rope = full }),
            i => (i + 1) % pattern != 0, c.WindowRope(d, positions, c.Double("rope_local_base_freq", 10000)));
    }
}
