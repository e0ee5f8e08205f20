using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// T5 (Raffel et al. 2019, arXiv:1910.10683) and its gated successors: an encoder and a decoder, RMSNorm before, no
/// biases, no scale on the scores but a relative position bias that a stack's first layer holds for all.
/// </summary>
internal static class T5Family
{
    internal static Family T5 { get; } = new()
    {
        ModelType = "t5",
        ClassStem = "T5",
        Names = NamesOf("decoder", feedForward: 2) with
        {
            Cross = new CrossAttentionNames("layer.1.layer_norm", "layer.1.EncDecAttention.q",
                "layer.1.EncDecAttention.k",
                "layer.1.EncDecAttention.v", "layer.1.EncDecAttention.o"),
            Encoder = NamesOf("encoder", feedForward: 1),
        },
        HubPlaces = new("layer.0", "layer.2") { EncoderFeedForward = "layer.1" },
        Targets = MethodTargets.None.With("lora", "q", "v")
            .With("ia3", "k", "v", "wo").With("ia3.feedforward_modules", "wo"),
        StoredNames = new Dictionary<string, string[]> { ["shared"] = ["encoder.embed_tokens",
            "decoder.embed_tokens"] },
        // Copies of the embedding; and a bias of the first checkpoints that nothing reads.
        IgnoredTensors = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
            "EncDecAttention.relative_attention_bias.weight"],
        DropoutKeys = [("dropout_rate", 0.1), ("classifier_dropout", 0)],
        ReadConfig = Read,
    };

    /// <summary>Multilingual T5 (Xue et al. 2020, arXiv:2010.11934).</summary>
    internal static Family Mt5 { get; } = T5 with
    {
        ModelType = "mt5",
        ClassStem = "MT5",
        Targets = T5.Targets.With("ia3", "k", "v", "wi_1").With("ia3.feedforward_modules"),
    };

    private static ModuleNames NamesOf(string stack, int feedForward) => new()
    {
        Backbone = "", TokenEmbedding = "shared", IsEmbeddingBypassed = true, Layer = $"{stack}.block.{{0}}",
        Query = "layer.0.SelfAttention.q", Key = "layer.0.SelfAttention.k", Value = "layer.0.SelfAttention.v",
        AttentionOutput = "layer.0.SelfAttention.o", RelativeBias = "layer.0.SelfAttention.relative_attention_bias",
        AttentionNorm = "layer.0.layer_norm",
        Gate = $"layer.{feedForward}.DenseReluDense.wi_0", GatedUp = $"layer.{feedForward}.DenseReluDense.wi_1",
        Up = $"layer.{feedForward}.DenseReluDense.wi", Down = $"layer.{feedForward}.DenseReluDense.wo",
        FeedForwardNorm = $"layer.{feedForward}.layer_norm", FinalNorm = $"{stack}.final_layer_norm",
        LanguageModelHead = "lm_head", SequenceHead = "classification_head.out_proj", TokenHead = "classifier",
        HeadBias = (true, true),
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var hidden = c.Int("d_model", "hidden_size");
        var heads = c.Int("num_heads", "num_attention_heads");
        var layers = c.Int("num_layers", "num_hidden_layers");
        var feedForward = (c.Text("feed_forward_proj") ?? "relu").Split('-');
        // Two facts since transformers 5: the scale of the decoder's output, which files without a word about it mean
        // by tie_word_embeddings, and the tie, which every T5 has unless its file holds another head.
        var saysTied = c.Bool("tie_word_embeddings", true);
        var isScaled = c.Bool("scale_decoder_outputs", saysTied);
        var decoder = c.Common() with
        {
            HiddenSize = hidden,
            Layers = new LayerPlan { AttentionScale = 1 }.Times(c.OptionalInt("num_decoder_layers") ?? layers),
            HeadCount = heads,
            KvHeadCount = heads,
            HeadDim = c.Int("d_kv"),
            FeedForwardSize = c.Int("d_ff"),
            VocabularySize = c.Int("vocab_size"),
            MaxPositions = c.OptionalInt("n_positions") ?? 512,
            Norm = NormKind.RmsNorm,
            NormEpsilon = c.Double("layer_norm_epsilon", 1e-6),
            NormPlacement = NormPlacement.Before,
            Gated = feedForward is ["gated", _],
            Activation = feedForward switch
            {
                ["gated", "gelu"] => Activation.GeluTanh,
                [.., var name] when feedForward.Length <= 2 && ConfigReader.FindActivation(name) is { } known => known,
                _ => throw c.Error($"feed_forward_proj '{string.Join('-', feedForward)}' is not supported",
                    "Supported: relu, gated-gelu and the like."),
            },
            Causal = true,
            RelativeBuckets = c.OptionalInt("relative_attention_num_buckets") ?? 32,
            RelativeMaxDistance = c.OptionalInt("relative_attention_max_distance") ?? 128,
            TieWordEmbeddings = saysTied,
            AlwaysTies = true,
            HeadScale = isScaled ? 1 / Math.Sqrt(hidden) : 1,
            DecoderStartTokenId = c.OptionalIntOrZero("decoder_start_token_id")
                ?? c.OptionalIntOrZero("pad_token_id") ?? 0,
        };
        const int FewestBuckets = 4; // an encoder halves them twice, and the formula divides by what is left
        if (decoder.RelativeBuckets < FewestBuckets)
            throw c.Error(
                $"relative_attention_num_buckets {decoder.RelativeBuckets} leaves an encoder no bucket to count in",
                $"At least {FewestBuckets} are needed.");
        return decoder with { Encoder = decoder with { Layers = decoder.Layers[0].Times(layers), Causal = false } };
    }
}
