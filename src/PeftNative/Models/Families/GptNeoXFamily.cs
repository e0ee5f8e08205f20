using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// GPT-NeoX and Pythia (Black et al. 2022, arXiv:2204.06745): both sub-blocks side by side, partly rotary heads, QKV
/// head by head.
/// </summary>
internal static class GptNeoXFamily
{
    internal static Family Instance { get; } = new()
    {
        ModelType = "gpt_neox",
        ClassStem = "GPTNeoX",
        Names = new ModuleNames
        {
            Backbone = "gpt_neox", TokenEmbedding = "embed_in", Layer = "layers.{0}",
            FusedQkv = "attention.query_key_value", FusedByHead = true, AttentionOutput = "attention.dense",
            AttentionNorm = "input_layernorm",
            Up = "mlp.dense_h_to_4h", Down = "mlp.dense_4h_to_h", FeedForwardNorm = "post_attention_layernorm",
            FinalNorm = "final_layer_norm", LanguageModelHead = "lm_head", SequenceHead = "score",
            TokenHead = "classifier",
            HeadBias = (false, true),
        },
        StoredNames = new Dictionary<string, string[]> { ["lm_head"] = ["embed_out"] },
        Gguf = new("gptneox", GgufRows.AsStored),
        MlxNames = [("gpt_neox.layers.", "model.h."), ("gpt_neox.", "model."), ("embed_out", "model.embed_out")],
        Targets = MethodTargets.None.With("lora", "query_key_value")
            .With("ia3", "query_key_value", "dense_4h_to_h").With("ia3.feedforward_modules", "dense_4h_to_h"),
        IgnoredTensors = [".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"],
        DropoutKeys = [("attention_dropout", 0), ("hidden_dropout", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("hidden_size");
        var heads = c.Int("num_attention_heads");
        var headDim = c.Divide("hidden_size", hidden, "num_attention_heads", heads);
        var positions = c.Int("max_position_embeddings");
        var rope = c.Rope(headDim, positions, null, c.OptionalDouble("rotary_emb_base"), c.Double("rotary_pct", 0.25));
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { Rope = rope, AttentionScale = 1 / Math.Sqrt(headDim) }
                .Times(c.Int("num_hidden_layers")),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = headDim,
            FeedForwardSize = c.Int("intermediate_size"),
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = positions,
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_eps", 1e-5),
            NormPlacement = NormPlacement.Before,
            ParallelResidual = c.Bool("use_parallel_residual", true),
            Activation = c.Activation("hidden_act", "gelu"),
            Causal = true,
            AttentionBias = c.Bool("attention_bias", true),
            AttentionOutputBias = c.Bool("attention_bias", true),
            FeedForwardBias = true,
            TieWordEmbeddings = c.Bool("tie_word_embeddings", false),
        };
    }
}
