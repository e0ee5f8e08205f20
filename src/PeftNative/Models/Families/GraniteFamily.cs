using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>Granite 3 (IBM 2024): Llama with factors on embeddings, scores, sub-blocks and logits.</summary>
internal static class GraniteFamily
{
    internal static Family Granite { get; } = LlamaFamily.Instance with
    {
        ModelType = "granite",
        ClassStem = "Granite",
        HasClassifiers = false,
        Gguf = new("granite", GgufRows.RotaryPairs),
        Targets = MethodTargets.None,
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var scale = c.Double("attention_multiplier", 1); // in place of 1 / √d
        return LlamaFamily.Read(c).WithLayers((layer, _) => layer with { AttentionScale = scale }) with
        {
            InputScale = c.Double("embedding_multiplier", 1),
            ResidualScale = c.Double("residual_multiplier", 1),
            HeadScale = 1 / c.Double("logits_scaling", 1),
        };
    }
}
