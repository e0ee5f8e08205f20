using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>Encoders that are BERT with other names and heads.</summary>
internal static class BertRelatives
{
    /// <summary>
    /// RoBERTa (Liu et al. 2019, arXiv:1907.11692): positions start behind the padding id, a head of two layers.
    /// </summary>
    internal static Family Roberta { get; } = BertFamily.Instance with
    {
        ModelType = "roberta",
        ClassStem = "Roberta",
        Names = BertFamily.Instance.Names with
        {
            Backbone = "roberta", Pooler = "classifier.dense", SequenceHead = "classifier.out_proj",
        },
        ReadConfig = c => BertFamily.Read(c) with { PositionOffset = (c.OptionalIntOrZero("pad_token_id") ?? 1) + 1 },
    };

    /// <summary>DistilBERT (Sanh et al. 2019, arXiv:1910.01108): no token types, a ReLU in the head.</summary>
    internal static Family DistilBert { get; } = new()
    {
        ModelType = "distilbert",
        ClassStem = "DistilBert",
        Names = new ModuleNames
        {
            Backbone = "distilbert", TokenEmbedding = "embeddings.word_embeddings",
            PositionEmbedding = "embeddings.position_embeddings",
            EmbeddingNorm = "embeddings.LayerNorm", Layer = "transformer.layer.{0}",
            Query = "attention.q_lin", Key = "attention.k_lin", Value = "attention.v_lin",
            AttentionOutput = "attention.out_lin",
            AttentionNorm = "sa_layer_norm", Up = "ffn.lin1", Down = "ffn.lin2", FeedForwardNorm = "output_layer_norm",
            Pooler = "pre_classifier", PoolerActivation = Activation.Relu, SequenceHead = "classifier",
            TokenHead = "classifier",
            HeadBias = (true, true),
        },
        DropoutKeys = [("dropout", 0.1), ("attention_dropout", 0.1), ("seq_classif_dropout", 0.2)],
        ReadConfig = ReadDistilBert,
    };

    private static TransformerConfig ReadDistilBert(ConfigReader c)
    {
        var hidden = c.Int("dim", "hidden_size");
        var heads = c.Int("n_heads", "num_attention_heads");
        var headDim = c.Divide("dim", hidden, "n_heads", heads);
        return c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { AttentionScale = 1 / Math.Sqrt(headDim) }
                .Times(c.Int("n_layers", "num_hidden_layers")),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = headDim,
            FeedForwardSize = c.Int("hidden_dim"),
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = c.Int("max_position_embeddings"),
            Norm = NormKind.LayerNorm,
            NormEpsilon = 1e-12,
            NormPlacement = NormPlacement.After,
            Activation = c.Activation("activation", "gelu"),
            Causal = false,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
        };
    }
}
