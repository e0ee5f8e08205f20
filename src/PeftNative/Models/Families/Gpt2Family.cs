using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>GPT-2 (Radford et al. 2019): learned positions, norms before, fused QKV in Conv1D layers.</summary>
internal static class Gpt2Family
{
    internal static Family Instance { get; } = new()
    {
        ModelType = "gpt2",
        ClassStem = "GPT2",
        Names = new ModuleNames
        {
            Backbone = "transformer", TokenEmbedding = "wte", PositionEmbedding = "wpe", Layer = "h.{0}",
            FusedQkv = "attn.c_attn", AttentionOutput = "attn.c_proj", AttentionNorm = "ln_1",
            Up = "mlp.c_fc", Down = "mlp.c_proj", FeedForwardNorm = "ln_2", FinalNorm = "ln_f",
            LanguageModelHead = "lm_head", SequenceHead = "score", TokenHead = "classifier", HeadBias = (false, true),
            Conv1D = true,
        },
        CausalClass = "GPT2LMHeadModel",
        Gguf = new("gpt2", GgufRows.AsStored, IsRead: true),
        MlxNames = [("transformer.", "model.")],
        Targets = MethodTargets.None.With("lora", "c_attn")
            .With("ia3", "c_attn", "mlp.c_proj").With("ia3.feedforward_modules", "mlp.c_proj"),
        IgnoredTensors = [".attn.bias", ".attn.masked_bias"],
        DropoutKeys = [("resid_pdrop", 0.1), ("embd_pdrop", 0.1), ("attn_pdrop", 0.1)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("n_embd", "hidden_size");
        var heads = c.Int("n_head", "num_attention_heads");
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = Layers(c, (double)hidden / heads),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = c.Divide("n_embd", hidden, "n_head", heads),
            FeedForwardSize = c.OptionalInt("n_inner") ?? 4 * hidden,
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = c.Int("n_positions", "max_position_embeddings", "n_ctx"),
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_epsilon", 1e-5),
            NormPlacement = NormPlacement.Before,
            Activation = c.Activation("activation_function", "gelu_new"),
            Causal = true,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }

    private static LayerPlan[] Layers(ConfigReader c, double headDim)
    {
        var scale = c.Bool("scale_attn_weights", true) ? 1 / Math.Sqrt(headDim) : 1;
        var isByLayer = c.Bool("scale_attn_by_inverse_layer_idx", false);
        return [.. Enumerable.Range(0, c.Int("n_layer", "num_hidden_layers"))
            .Select(i => new LayerPlan { AttentionScale = isByLayer ? scale / (i + 1) : scale })];
    }
}
