using PeftNative.Models.Config;
using PeftNative.Ops;

namespace PeftNative.Models.Families;

/// <summary>StableLM 2 and 3B (Bellagente et al. 2024, arXiv:2402.17834): Llama with LayerNorms, partly rotary
/// heads.</summary>
internal static class StableLmFamily
{
    internal static Family StableLm { get; } = LlamaFamily.Instance with
    {
        ModelType = "stablelm",
        ClassStem = "StableLm",
        Gguf = new("stablelm", GgufRows.AsStored),
        Targets = MethodTargets.None.With("lora", "q_proj", "v_proj"),
        DropoutKeys = [("attention_dropout", 0), ("hidden_dropout", 0)],
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        if (c.Bool("qk_layernorm", false))
            throw c.Error("StableLM with a norm for each head (qk_layernorm, the 12b size) is not supported",
                "Use another size.");
        var isParallel = c.Bool("use_parallel_residual", false);
        var llama = LlamaFamily.Read(c);
        var rope = c.Rope(llama.HeadDim, llama.MaxPositions, share: 0.25);
        return llama.WithLayers((layer, _) => layer with { Rope = rope }) with
        {
            Norm = NormKind.LayerNorm,
            NormEpsilon = c.Double("layer_norm_eps", 1e-5),
            ParallelResidual = isParallel,
            SharesNorm = isParallel,
            AttentionBias = c.Bool("use_qkv_bias", false),
            AttentionOutputBias = false,
            FeedForwardBias = false,
        };
    }
}
