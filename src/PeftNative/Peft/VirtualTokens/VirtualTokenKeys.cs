using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.VirtualTokens;

/// <summary>The keys that methods share which put trained vectors in front of every sequence.</summary>
internal static class VirtualTokenKeys
{
    /// <summary>Their number, and what PEFT notes of the model.</summary>
    internal static ConfigKey<TConfig>[] Of<TConfig>(KeysOf<TConfig> key) where TConfig : PromptLearningConfig =>
    [
        key.Whole("num_virtual_tokens", c => c.VirtualTokenCount, (c, v) => c with { VirtualTokenCount = v },
            "Virtual tokens; 20 if not given.") with { Least = 1, Most = 65536, IsRequired = true },
        key.FromModel("num_attention_heads", c => c.HeadCount),
        key.FromModel("num_layers", c => c.LayerCount),
        key.FromModel("num_transformer_submodules", c => c.SubmoduleCount),
        key.FromModel("token_dim", c => c.TokenDim),
    ];

    /// <summary>encoder_hidden_size.</summary>
    internal static ConfigKey<TConfig> EncoderWidth<TConfig>(KeysOf<TConfig> key, Func<TConfig, int?> get,
        Func<TConfig, int, TConfig> set) where TConfig : PromptLearningConfig =>
        key.Whole("encoder_hidden_size", get, set, "Width of the small network.") with { Least = 1, Most = 1 << 20 };
}
