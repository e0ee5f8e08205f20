using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// Falcon 7B (Almazrouei et al. 2023, arXiv:2311.16867): both sub-blocks side by side behind one norm, one key and one
/// value head for all queries, in one projection.
/// </summary>
internal static class FalconFamily
{
    internal static Family Falcon { get; } = new()
    {
        ModelType = "falcon",
        ClassStem = "Falcon",
        Gguf = new("falcon", GgufRows.AsStored),
        Names = new ModuleNames
        {
            Backbone = "transformer", TokenEmbedding = "word_embeddings", Layer = "h.{0}",
            FusedQkv = "self_attention.query_key_value", AttentionOutput = "self_attention.dense",
            AttentionNorm = "input_layernorm", Up = "mlp.dense_h_to_4h", Down = "mlp.dense_4h_to_h",
            FeedForwardNorm = "post_attention_layernorm", FinalNorm = "ln_f",
            LanguageModelHead = "lm_head", SequenceHead = "score", TokenHead = "classifier", HeadBias = (false, true),
        },
        Targets = MethodTargets.None.With("lora", "query_key_value")
            .With("ia3", "query_key_value", "dense_4h_to_h").With("ia3.feedforward_modules", "dense_4h_to_h"),
        DropoutKeys = [("attention_dropout", 0), ("hidden_dropout", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        if (c.Bool("alibi", false) || c.Bool("new_decoder_architecture", false) || !c.Bool("multi_query", true))
            throw c.Error("Falcon with alibi, a head for every key or groups of heads (the rw, 11b, 40b and 180b sizes)"
                + " is not supported", "Use the 7b size.");
        var hidden = c.Int("hidden_size");
        var heads = c.Int("num_attention_heads", "n_head");
        var headDim = c.Divide("hidden_size", hidden, "num_attention_heads", heads);
        var positions = c.OptionalInt("max_position_embeddings") ?? 2048;
        var (bias, isParallel) = (c.Bool("bias", false), c.Bool("parallel_attn", true));
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { Rope = c.Rope(headDim, positions), AttentionScale = 1 / Math.Sqrt(headDim) }
                .Times(c.Int("num_hidden_layers", "n_layer")),
            HeadCount = heads,
            KvHeadCount = 1, // whatever num_kv_heads says
            HeadDim = headDim,
            FeedForwardSize = c.OptionalInt("ffn_hidden_size") ?? 4 * hidden,
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = positions,
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_epsilon", 1e-5),
            NormPlacement = NormPlacement.Before,
            ParallelResidual = isParallel,
            SharesNorm = isParallel,
            Activation = c.Activation("activation", "gelu"),
            Causal = true,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }
}
