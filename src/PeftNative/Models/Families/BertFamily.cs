using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>BERT (Devlin et al. 2018): bidirectional, learned positions and token types, norms after.</summary>
internal static class BertFamily
{
    internal static Family Instance { get; } = new()
    {
        ModelType = "bert",
        ClassStem = "Bert",
        Names = new ModuleNames
        {
            Backbone = "bert", TokenEmbedding = "embeddings.word_embeddings",
            PositionEmbedding = "embeddings.position_embeddings",
            TypeEmbedding = "embeddings.token_type_embeddings", EmbeddingNorm = "embeddings.LayerNorm",
            Layer = "encoder.layer.{0}",
            Query = "attention.self.query", Key = "attention.self.key", Value = "attention.self.value",
            AttentionOutput = "attention.output.dense", AttentionNorm = "attention.output.LayerNorm",
            Up = "intermediate.dense", Down = "output.dense", FeedForwardNorm = "output.LayerNorm",
            Pooler = "bert.pooler.dense", SequenceHead = "classifier", TokenHead = "classifier",
            HeadBias = (true, true),
        },
        HubPlaces = new("attention.output", "output"),
        Targets = MethodTargets.None.With("lora", "query", "value")
            .With("ia3", "key", "value", "output.dense").With("ia3.feedforward_modules", "output.dense"),
        IgnoredTensors = ["embeddings.position_ids"],
        DropoutKeys = [("hidden_dropout_prob", 0.1), ("attention_probs_dropout_prob", 0.1), ("classifier_dropout", 0)],
        ReadConfig = Read,
    };

    internal static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("hidden_size");
        var heads = c.Int("num_attention_heads");
        var headDim = c.Divide("hidden_size", hidden, "num_attention_heads", heads);
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { AttentionScale = 1 / Math.Sqrt(headDim) }.Times(c.Int("num_hidden_layers")),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = headDim,
            FeedForwardSize = c.Int("intermediate_size"),
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = c.Int("max_position_embeddings"),
            TypeVocabularySize = c.OptionalInt("type_vocab_size") ?? 2,
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_eps", 1e-12),
            NormPlacement = NormPlacement.After,
            Activation = c.Activation("hidden_act", "gelu"),
            Causal = c.Bool("is_decoder", false)
                ? throw c.Error("is_decoder is true; BERT as a decoder is not supported", "Use an encoder checkpoint.")
                : false,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
        };
    }
}
