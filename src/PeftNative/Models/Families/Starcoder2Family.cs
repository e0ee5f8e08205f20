using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// StarCoder 2 (Lozhkov et al. 2024, arXiv:2402.19173): grouped-query attention, rotary positions, LayerNorms and
/// biases, no gate; a window in all layers.
/// </summary>
internal static class Starcoder2Family
{
    internal static Family Starcoder2 { get; } = LlamaFamily.Instance with
    {
        ModelType = "starcoder2",
        ClassStem = "Starcoder2",
        Gguf = new("starcoder2", GgufRows.AsStored),
        Names = LlamaFamily.Names with { Gate = null, Up = "mlp.c_fc", Down = "mlp.c_proj" },
        Targets = MethodTargets.None,
        DropoutKeys = [("attention_dropout", 0), ("residual_dropout", 0), ("embedding_dropout", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var bias = c.Bool("use_bias", true);
        return LlamaRelatives.ReadWindowed(c) with
        {
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("norm_epsilon", 1e-5),
            Activation = c.Activation("hidden_act", "gelu_pytorch_tanh"),
            Gated = false,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }
}
