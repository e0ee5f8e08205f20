using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// GPT-Neo (Black et al. 2021): GPT-2 with separate projections, scores without a scale, a window in every other layer.
/// </summary>
internal static class GptNeoFamily
{
    internal static Family GptNeo { get; } = new()
    {
        ModelType = "gpt_neo",
        ClassStem = "GPTNeo",
        Names = new ModuleNames
        {
            Backbone = "transformer", TokenEmbedding = "wte", PositionEmbedding = "wpe", Layer = "h.{0}",
            Query = "attn.attention.q_proj", Key = "attn.attention.k_proj", Value = "attn.attention.v_proj",
            AttentionOutput = "attn.attention.out_proj", AttentionNorm = "ln_1",
            Up = "mlp.c_fc", Down = "mlp.c_proj", FeedForwardNorm = "ln_2", FinalNorm = "ln_f",
            LanguageModelHead = "lm_head", SequenceHead = "score", TokenHead = "classifier", HeadBias = (false, true),
        },
        Targets = MethodTargets.None.With("lora", "q_proj", "v_proj")
            .With("ia3", "q_proj", "v_proj", "c_proj").With("ia3.feedforward_modules", "c_proj"),
        IgnoredTensors = [".attn.attention.bias", ".attn.attention.masked_bias"],
        DropoutKeys = [("attention_dropout", 0), ("resid_dropout", 0), ("embed_dropout", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("hidden_size");
        var heads = c.Int("num_heads", "num_attention_heads");
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = Layers(c),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = c.Divide("hidden_size", hidden, "num_heads", heads),
            FeedForwardSize = c.OptionalInt("intermediate_size") ?? 4 * hidden,
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = c.Int("max_position_embeddings"),
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_epsilon", 1e-5),
            NormPlacement = NormPlacement.Before,
            Activation = c.Activation("activation_function", "gelu_new"),
            Causal = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }

    private static LayerPlan[] Layers(ConfigReader c)
    {
        const string Key = "attention_types";
        var window = c.OptionalInt("window_size") ?? 256;
        var types = c.RepeatedTypes(Key, c.Int("num_layers", "num_hidden_layers"));
        return [.. types.Select(type => new LayerPlan
        {
            AttentionScale = 1,
            Window = type switch
            {
                "local" => window,
                "global" => 0,
                _ => throw c.Error($"{Key} names '{type}', which is not supported", "Supported: global, local."),
            },
        })];
    }
}
