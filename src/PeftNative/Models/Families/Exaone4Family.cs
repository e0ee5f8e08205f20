using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>
/// EXAONE 4 (arXiv:2507.11407): Llama with norms at the outputs of sub-blocks alone and of query and key heads; where
/// some layers have a window, the others have no positions.
/// </summary>
internal static class Exaone4Family
{
    internal static Family Exaone4 { get; } = OlmoFamily.Olmo2 with
    {
        ModelType = "exaone4",
        ClassStem = "Exaone4",
        Gguf = new("exaone4", GgufRows.AsStored),
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var llama = LlamaFamily.Read(c) with
        {
            NormPlacement = NormPlacement.Output,
            NormEpsilon = c.Double("rms_norm_eps", 1e-5),
            AttentionBias = false,
            AttentionOutputBias = false,
            FeedForwardBias = false,
        };
        if (c.Window() == 0) return llama;
        var config = llama with { Layers = c.Plan(llama, c.Window(), i => (i + 1) % 4 != 0) };
        return config.WithLayers((layer, _) => layer.Window > 0 ? layer : layer with { Rope = null });
    }
}
