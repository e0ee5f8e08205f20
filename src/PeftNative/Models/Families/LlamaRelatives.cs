using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>Families that are Llama with one or two differences.</summary>
internal static class LlamaRelatives
{
    /// <summary>Mistral 7B (Jiang et al. 2023, arXiv:2310.06825): a sliding window in all layers.</summary>
    internal static Family Mistral { get; } = LlamaFamily.Instance with
    {
        ModelType = "mistral",
        ClassStem = "Mistral",
        Gguf = LlamaFamily.Instance.Gguf! with { IsRead = false }, // files of both say llama, and are read as Llama
        ReadConfig = ReadWindowed,
    };

    /// <summary>Ministral 8B (2024): a sliding window in some layers.</summary>
    internal static Family Ministral { get; } = Mistral with
    {
        ModelType = "ministral",
        ClassStem = "Ministral",
        Gguf = null,
        MlxNames = null,
        Targets = MethodTargets.None,
        ReadConfig = ReadMinistral,
    };

    /// <summary>Seed-OSS (ByteDance 2025): biases on query, key and value, and by a switch on the output.</summary>
    internal static Family SeedOss { get; } = LlamaFamily.Instance with
    {
        ModelType = "seed_oss",
        ClassStem = "SeedOss",
        Gguf = new("seed_oss", GgufRows.AsStored),
        Targets = MethodTargets.None,
        DropoutKeys = [("attention_dropout", 0.1), ("residual_dropout", 0.1)],
        ReadConfig = c => LlamaFamily.Read(c) with
        {
            AttentionBias = c.Bool("attention_bias", true),
            AttentionOutputBias = c.Bool("attention_out_bias", false),
        },
    };

    /// <summary>Phi-3 (arXiv:2404.14219): query, key and value in one projection, gate and up in another.</summary>
    internal static Family Phi3 { get; } = LlamaFamily.Instance with
    {
        ModelType = "phi3",
        ClassStem = "Phi3",
        Gguf = new("phi3", GgufRows.AsStored, IsRead: true),
        Names = LlamaFamily.Names with { FusedQkv = "self_attn.qkv_proj", Gate = null,
            FusedGateUp = "mlp.gate_up_proj" },
        Targets = MethodTargets.None,
        DropoutKeys = [("attention_dropout", 0), ("resid_pdrop", 0), ("embd_pdrop", 0)],
        ReadConfig = ReadWindowed,
    };

    /// <summary>Llama with a sliding window in all layers, where config.json has one.</summary>
    internal static TransformerConfig ReadWindowed(ConfigReader c)
    {
        var window = c.Window();
        return LlamaFamily.Read(c).WithLayers((layer, _) => layer with { Window = window });
    }

    private static TransformerConfig ReadMinistral(ConfigReader c)
    {
        var llama = LlamaFamily.Read(c);
        return llama with { Layers = c.Plan(llama, c.Window(), _ => true) };
    }
}
