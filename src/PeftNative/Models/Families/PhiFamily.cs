using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>
/// Phi 1, 1.5 and 2 (Gunasekar et al. 2023, arXiv:2306.11644): both sub-blocks side by side behind one norm, partly
/// rotary heads, biases everywhere, the head's too.
/// </summary>
internal static class PhiFamily
{
    internal static Family Phi { get; } = LlamaFamily.Instance with
    {
        ModelType = "phi",
        ClassStem = "Phi",
        Gguf = new("phi2", GgufRows.AsStored),
        Names = LlamaFamily.Names with
        {
            AttentionOutput = "self_attn.dense", Gate = null, Up = "mlp.fc1", Down = "mlp.fc2",
            QueryNorm = "self_attn.q_layernorm", KeyNorm = "self_attn.k_layernorm",
            FinalNorm = "final_layernorm", LanguageModelBias = true,
        },
        Targets = MethodTargets.None.With("lora", "q_proj", "v_proj", "fc1", "fc2")
            .With("ia3", "q_proj", "v_proj", "fc2").With("ia3.feedforward_modules", "fc2"),
        DropoutKeys = [("attention_dropout", 0), ("resid_pdrop", 0), ("embd_pdrop", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var llama = LlamaFamily.Read(c);
        var rope = c.Rope(llama.HeadDim, llama.MaxPositions, share: 0.5);
        return llama.WithLayers((layer, _) => layer with { Rope = rope }) with
        {
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_eps", 1e-5),
            ParallelResidual = true,
            SharesNorm = true,
            Activation = c.Activation("hidden_act", "gelu_new"),
            Gated = false,
            NormalizesHeads = c.Bool("qk_layernorm", false),
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
        };
    }
}
