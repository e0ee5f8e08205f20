namespace PeftNative.Models.Families;

/// <summary>Families that are Llama with one or two differences.</summary>
internal static class LlamaRelatives
{
    /// <summary>Mistral 7B (Jiang et al. 2023, arXiv:2310.06825): a sliding window in all layers.</summary>
    internal static Family Mistral { get; } = LlamaFamily.Instance with
    {
        ModelType = "mistral",
        ClassStem = "Mistral",
        ReadConfig = ReadWindowed,
    };

    /// <summary>Phi-3 (arXiv:2404.14219): query, key and value in one projection, gate and up in another.</summary>
    internal static Family Phi3 { get; } = LlamaFamily.Instance with
    {
        ModelType = "phi3",
        ClassStem = "Phi3",
        Gguf = new("phi3", GgufRows.AsStored),
        Names = LlamaFamily.Names with { FusedQkv = "self_attn.qkv_proj", Gate = null,
            FusedGateUp = "mlp.gate_up_proj" },
        Targets = MethodTargets.None,
        ReadConfig = ReadWindowed,
    };

    /// <summary>Llama with a sliding window in all layers, where config.json has one.</summary>
    internal static TransformerConfig ReadWindowed(ConfigReader c)
    {
        var window = c.Window();
        return LlamaFamily.Read(c).WithLayers((layer, _) => layer with { Window = window });
    }
}
