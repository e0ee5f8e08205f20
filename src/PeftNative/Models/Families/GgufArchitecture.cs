using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>The order of the rows of query and key projections in GGUF files.</summary>
internal enum GgufRows
{
    /// <summary>As checkpoints store them.</summary>
    AsStored,

    /// <summary>The two halves of each rotary pair side by side (Llama).</summary>
    RotaryPairs,
}

/// <summary>A family as llama.cpp has it: what GGUF files call it and its tensors.</summary>
/// <param name="Name">general.architecture.</param>
/// <param name="Rows">The order of rows of query and key.</param>
/// <param name="IsRead">Whether files that say this name are read as models of the family.</param>
internal sealed record GgufArchitecture(string Name, GgufRows Rows, bool IsRead = false)
{
    /// <summary>The tensor of what rotary frequencies are divided by.</summary>
    public const string Divisors = "rope_freqs.weight";

    private static readonly Dictionary<ModuleRole, string> Outer = new()
    {
        [ModuleRole.TokenEmbedding] = "token_embd", [ModuleRole.PositionEmbedding] = "position_embd",
        [ModuleRole.TypeEmbedding] = "token_types", [ModuleRole.EmbeddingNorm] = "token_embd_norm",
        [ModuleRole.FinalNorm] = "output_norm", [ModuleRole.Head] = "output",
    };

    private static readonly Dictionary<ModuleRole, string> Inner = new()
    {
        [ModuleRole.AttentionNorm] = "attn_norm", [ModuleRole.Query] = "attn_q", [ModuleRole.Key] = "attn_k",
        [ModuleRole.Value] = "attn_v", [ModuleRole.FusedQkv] = "attn_qkv", [ModuleRole.QueryNorm] = "attn_q_norm",
        [ModuleRole.KeyNorm] = "attn_k_norm", [ModuleRole.AttentionOutput] = "attn_output",
        [ModuleRole.AttentionPostNorm] = "post_attention_norm", [ModuleRole.FeedForwardNorm] = "ffn_norm",
        [ModuleRole.Gate] = "ffn_gate", [ModuleRole.Up] = "ffn_up", [ModuleRole.FusedGateUp] = "ffn_up",
        [ModuleRole.Down] = "ffn_down", [ModuleRole.FeedForwardPostNorm] = "post_ffw_norm",
    };

    /// <summary>
    /// What GGUF files call a module of a decoder, without .weight or .bias; null where they have no such module.
    /// </summary>
    public static string? NameOf(ModuleRole role, int? layer) => layer is { } i
        ? Inner.TryGetValue(role, out var inner) ? $"blk.{i}.{inner}" : null
        : Outer.GetValueOrDefault(role);
}
