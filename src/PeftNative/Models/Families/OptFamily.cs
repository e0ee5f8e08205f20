using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>OPT (Zhang et al. 2022, arXiv:2205.01068): learned positions from row 2 on, ReLU.</summary>
internal static class OptFamily
{
    internal static Family Instance { get; } = new()
    {
        ModelType = "opt",
        ClassStem = "OPT",
        Names = new ModuleNames
        {
            Backbone = "model.decoder", TokenEmbedding = "embed_tokens", PositionEmbedding = "embed_positions",
            HasPositionMargin = true,
            Layer = "layers.{0}", Query = "self_attn.q_proj", Key = "self_attn.k_proj", Value = "self_attn.v_proj",
            AttentionOutput = "self_attn.out_proj", AttentionNorm = "self_attn_layer_norm",
            Up = "fc1", Down = "fc2", FeedForwardNorm = "final_layer_norm", FinalNorm = "final_layer_norm",
            LanguageModelHead = "lm_head", SequenceHead = "score", TokenHead = "classifier", HeadBias = (false, true),
        },
        Targets = MethodTargets.None.With("lora", "q_proj", "v_proj")
            .With("ia3", "q_proj", "k_proj", "fc2").With("ia3.feedforward_modules", "fc2"),
        DropoutKeys = [("dropout", 0.1), ("attention_dropout", 0), ("activation_dropout", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("hidden_size");
        var heads = c.Int("num_attention_heads");
        var headDim = c.Divide("hidden_size", hidden, "num_attention_heads", heads);
        if (!c.Bool("do_layer_norm_before", true) || (c.OptionalInt("word_embed_proj_dim") ?? hidden) != hidden)
            throw c.Error(
                "OPT with norms after the sub-blocks or projected embeddings (the 350m size) is not supported",
                "Use another size.");
        var bias = c.Bool("enable_bias", true);
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { AttentionScale = 1 / Math.Sqrt(headDim) }.Times(c.Int("num_hidden_layers")),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = headDim,
            FeedForwardSize = c.Int("ffn_dim"),
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = c.Int("max_position_embeddings"),
            PositionOffset = 2,
            Norm = NormKind.LayerNorm,
            NormEpsilon = 1e-5,
            NormPlacement = NormPlacement.Before,
            Activation = c.Activation("activation_function", "relu"),
            Causal = true,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }
}
