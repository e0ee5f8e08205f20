using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// Llama 1 to 3 (Touvron et al. 2023): RMSNorm before, rotary positions, grouped-query attention, SwiGLU.
/// </summary>
internal static class LlamaFamily
{
    internal static Family Instance { get; } = new()
    {
        ModelType = "llama",
        ClassStem = "Llama",
        Names = Names,
        Gguf = new("llama", GgufRows.RotaryPairs, IsRead: true),
        MlxNames = [],
        Targets = MethodTargets.None.With("lora", "q_proj", "v_proj")
            .With("ia3", "k_proj", "v_proj", "down_proj").With("ia3.feedforward_modules", "down_proj"),
        IgnoredTensors = [".rotary_emb.inv_freq"],
        DropoutKeys = [("attention_dropout", 0)],
        ReadConfig = Read,
    };

    /// <summary>The module tree that Llama's many relatives share.</summary>
    internal static ModuleNames Names => new()
    {
        Backbone = "model", TokenEmbedding = "embed_tokens", Layer = "layers.{0}",
        Query = "self_attn.q_proj", Key = "self_attn.k_proj", Value = "self_attn.v_proj",
        AttentionOutput = "self_attn.o_proj", AttentionNorm = "input_layernorm",
        Gate = "mlp.gate_proj", Up = "mlp.up_proj", Down = "mlp.down_proj",
        FeedForwardNorm = "post_attention_layernorm",
        FinalNorm = "norm", LanguageModelHead = "lm_head", SequenceHead = "score", TokenHead = "score",
        HeadBias = (false, true),
    };

    /// <summary>Reads the keys that Llama's many relatives share.</summary>
    internal static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("hidden_size");
        var heads = c.Int("num_attention_heads");
        var headDim = c.OptionalInt("head_dim") ?? c.Divide("hidden_size", hidden, "num_attention_heads", heads);
        var positions = c.OptionalInt("max_position_embeddings") ?? 2048;
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { Rope = c.Rope(headDim, positions), AttentionScale = 1 / Math.Sqrt(headDim) }
                .Times(c.Int("num_hidden_layers")),
            HeadCount = heads,
            KvHeadCount = c.OptionalInt("num_key_value_heads") ?? heads,
            HeadDim = headDim,
            FeedForwardSize = c.Int("intermediate_size"),
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = positions,
            Norm = NormKind.RmsNorm,
            NormEpsilon = c.Double("rms_norm_eps", 1e-6),
            NormPlacement = NormPlacement.Before,
            Activation = c.Activation("hidden_act", "silu"),
            Gated = true,
            Causal = true,
            AttentionBias = c.Bool("attention_bias", false),
            AttentionOutputBias = c.Bool("attention_bias", false),
            FeedForwardBias = c.Bool("mlp_bias", false),
            TieWordEmbeddings = c.Bool("tie_word_embeddings", false),
        };
    }
}
