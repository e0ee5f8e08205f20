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
        ReadConfig = c => LlamaFamily.Read(c) with { NormalizesRotatedHeads = true },
    };
}
