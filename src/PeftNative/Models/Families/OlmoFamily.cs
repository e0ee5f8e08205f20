using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>
/// OLMo 2 (arXiv:2501.00656) and 3 (arXiv:2512.13961): Llama with norms at the outputs of sub-blocks alone, and of all
/// query and all key heads together; then windows in most layers.
/// </summary>
internal static class OlmoFamily
{
    internal static Family Olmo2 { get; } = LlamaFamily.Instance with
    {
        ModelType = "olmo2",
        ClassStem = "Olmo2",
        Gguf = new("olmo2", GgufRows.AsStored),
        Names = LlamaFamily.Names with
        {
            AttentionPostNorm = "post_attention_layernorm", FeedForwardPostNorm = "post_feedforward_layernorm",
            QueryNorm = "self_attn.q_norm", KeyNorm = "self_attn.k_norm",
        },
        Targets = MethodTargets.None,
        ReadConfig = Read,
    };

    internal static Family Olmo3 { get; } = Olmo2 with
    {
        ModelType = "olmo3",
        ClassStem = "Olmo3",
        Gguf = null, // the same architecture there, as a model with a window
        ReadConfig = ReadThird,
    };

    private static TransformerConfig Read(ConfigReader c) => LlamaFamily.Read(c) with
    {
        NormPlacement = NormPlacement.Output,
        NormEpsilon = c.Double("rms_norm_eps", 1e-5),
        NormalizesHeadsTogether = true,
    };

    private static TransformerConfig ReadThird(ConfigReader c)
    {
        var config = Read(c);
        var (d, positions) = (config.HeadDim, config.MaxPositions);
        var full = c.Rope(d, positions, "full_attention");
        config = config.WithLayers((layer, _) => layer with { Rope = full });
        // Without an entry of their own, layers with a window have this base whatever rope_theta says.
        const double WindowTheta = 500_000;
        return config with
        {
            Layers = c.Plan(config, c.Window(), i => (i + 1) % 4 != 0, c.WindowRope(d, positions, WindowTheta)),
        };
    }
}
