using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>Qwen 2 (arXiv:2407.10671) and 3 (arXiv:2505.09388): Llama whose upper layers may have a window.</summary>
internal static class QwenFamily
{
    /// <summary>Biases on query, key and value.</summary>
    internal static Family Qwen2 { get; } = LlamaFamily.Instance with
    {
        ModelType = "qwen2",
        ClassStem = "Qwen2",
        Gguf = new("qwen2", GgufRows.AsStored, IsRead: true),
        Targets = LlamaFamily.Instance.Targets.With("ia3", "q_proj", "v_proj", "down_proj"),
        ReadConfig = c => Read(c) with { AttentionBias = true },
    };

    /// <summary>Norms of query and key heads instead.</summary>
    internal static Family Qwen3 { get; } = Qwen2 with
    {
        ModelType = "qwen3",
        ClassStem = "Qwen3",
        Gguf = new("qwen3", GgufRows.AsStored, IsRead: true),
        Names = LlamaFamily.Names with { QueryNorm = "self_attn.q_norm", KeyNorm = "self_attn.k_norm" },
        ReadConfig = Read,
    };

    // The window is behind a switch, and the lower layers do without.
    private static TransformerConfig Read(ConfigReader c)
    {
        var first = c.OptionalInt("max_window_layers") ?? 28;
        var window = c.Window(c.Bool("use_sliding_window", false));
        var llama = LlamaFamily.Read(c) with { AttentionOutputBias = false };
        return llama with { Layers = c.Plan(llama, window, i => i >= first) };
    }
}
