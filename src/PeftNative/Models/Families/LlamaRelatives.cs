namespace PeftNative.Models.Families;

/// <summary>Families that are Llama with one or two differences.</summary>
internal static class LlamaRelatives
{
    /// <summary>Mistral 7B (Jiang et al. 2023, arXiv:2310.06825): a sliding window in all layers.</summary>
    internal static Family Mistral { get; } = LlamaFamily.Instance with
    {
        ModelType = "mistral",
        ClassStem = "Mistral",
        ReadConfig = c => LlamaFamily.Read(c) with { SlidingWindow = c.Window() },
    };

    /// <summary>Qwen 2 (arXiv:2407.10671): biases on query, key and value.</summary>
    internal static Family Qwen2 { get; } = LlamaFamily.Instance with
    {
        ModelType = "qwen2",
        ClassStem = "Qwen2",
        Ia3Targets = ["q_proj", "v_proj", "down_proj"],
        ReadConfig = c => Qwen(c) with { AttentionBias = true },
    };

    /// <summary>Qwen 3 (arXiv:2505.09388): norms of query and key heads instead of biases.</summary>
    internal static Family Qwen3 { get; } = LlamaFamily.Instance with
    {
        ModelType = "qwen3",
        ClassStem = "Qwen3",
        Names = LlamaFamily.Names with { QueryNorm = "self_attn.q_norm", KeyNorm = "self_attn.k_norm" },
        Ia3Targets = ["q_proj", "v_proj", "down_proj"],
        ReadConfig = Qwen,
    };

    /// <summary>Phi-3 (arXiv:2404.14219): query, key and value in one projection, gate and up in another.</summary>
    internal static Family Phi3 { get; } = LlamaFamily.Instance with
    {
        ModelType = "phi3",
        ClassStem = "Phi3",
        Names = LlamaFamily.Names with { FusedQkv = "self_attn.qkv_proj", Gate = null,
            FusedGateUp = "mlp.gate_up_proj" },
        LoraTargets = [],
        Ia3Targets = [],
        Ia3FeedForward = [],
        ReadConfig = c => LlamaFamily.Read(c) with { SlidingWindow = c.Window() },
    };

    // Qwen's window is behind a switch, and the lower layers do without.
    private static TransformerConfig Qwen(ConfigReader c)
    {
        var config = LlamaFamily.Read(c);
        var isOn = c.Bool("use_sliding_window", false);
        var first = c.OptionalInt("max_window_layers") ?? 28;
        return config with
        {
            AttentionOutputBias = false,
            SlidingWindow = c.Window(isOn),
            WindowedLayers = isOn ? c.WindowedLayers(config.LayerCount, i => i >= first) : [],
        };
    }
}
