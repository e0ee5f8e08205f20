using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>HunYuan's dense models (Tencent 2025): Llama with norms of query and key heads behind the
/// rotation.</summary>
internal static class HunYuanFamily
{
    internal static Family HunYuan { get; } = LlamaFamily.Instance with
    {
        ModelType = "hunyuan_v1_dense",
        ClassStem = "HunYuanDenseV1",
        Gguf = null,
        Names = LlamaFamily.Names with
        {
            QueryNorm = "self_attn.query_layernorm", KeyNorm = "self_attn.key_layernorm",
        },
        Targets = MethodTargets.None,
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var llama = LlamaFamily.Read(c) with { NormalizesRotatedHeads = true };
        return c.RopeNumber("alpha") is { } alpha
            ? llama.WithLayers((layer, _) => layer with { Rope = Grown(layer.Rope!, alpha) }) : llama;
    }

    // Its "dynamic" is a fixed base that has grown once, whatever the length.
    private static RopeSettings Grown(RopeSettings rope, double alpha) => rope.Type != "dynamic" ? rope : new()
    {
        Theta = rope.Theta * Math.Pow(alpha, rope.RotaryDim / (rope.RotaryDim - 2.0)), RotaryDim = rope.RotaryDim,
    };
}
