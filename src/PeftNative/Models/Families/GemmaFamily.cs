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
        Ia3Targets = ["q_proj", "v_proj", "down_proj"],
        ReadConfig = Read,
    };

    internal static Family Gemma2 { get; } = Gemma with
    {
        ModelType = "gemma2",
        ClassStem = "Gemma2",
        Names = NamesWithPostNorms,
        ReadConfig = c => ReadSecond(c, i => i % 2 == 0),
    };

    internal static Family Gemma3 { get; } = Gemma with
    {
        ModelType = "gemma3_text",
        ClassStem = "Gemma3",
        ClassifierStem = "Gemma3Text",
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

    private static TransformerConfig ReadSecond(ConfigReader c, Func<int, bool> isWindowed)
    {
        var config = Read(c);
        return config with
        {
            NormPlacement = NormPlacement.Around,
            AttentionScale = 1 / Math.Sqrt(c.Double("query_pre_attn_scalar", 256)),
            AttentionSoftCap = c.OptionalDouble("attn_logit_softcapping") ?? 0,
            FinalSoftCap = c.OptionalDouble("final_logit_softcapping") ?? 0,
            SlidingWindow = c.Window(),
            WindowedLayers = c.WindowedLayers(config.LayerCount, isWindowed),
        };
    }

    private static TransformerConfig ReadThird(ConfigReader c)
    {
        var pattern = c.OptionalInt("sliding_window_pattern") ?? c.OptionalInt("_sliding_window_pattern") ?? 6;
        var config = ReadSecond(c, i => (i + 1) % pattern != 0);
        return config with
        {
            Rope = c.Rope(config.HeadDim, config.MaxPositions, "full_attention",
                c.OptionalDouble("rope_theta") ?? 1_000_000),
            WindowRope = c.WindowRope(config.HeadDim, config.MaxPositions),
        };
    }
}
