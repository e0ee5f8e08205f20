using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Peft.Tokens;

namespace PeftNative.Peft.Lora;

/// <summary>The keys of LoRA's adapter_config.json that need more than one line.</summary>
internal static class LoraKeys
{
    /// <summary>Keys of features that are not used here; PEFT writes them as null.</summary>
    internal static readonly string[] NullKeys =
    [
        "alora_invocation_tokens", "arrow_config", "corda_config", "eva_config", "kasa_config", "layer_replication",
        "lora_ga_config", "megatron_config", "monteclora_config", "target_parameters", "use_bdlora",
        "velora_config",
    ];

    /// <summary>Likewise, written as false.</summary>
    internal static readonly string[] FalseKeys = ["use_qalora"];

    /// <summary>Keys that change what is computed and are not read: those above, and two of other releases.</summary>
    internal static readonly string[] Unsupported = [.. NullKeys, .. FalseKeys, "enable_lora", "loftq_config"];

    /// <summary>
    /// Settings that change what is computed and are refused by name: another forward, other layers, own data.
    /// </summary>
    internal static readonly string[] NotUnderstood =
    [
        "arrow_config", "corda_config", "eva_config", "kasa_config", "layer_replication", "monteclora_config",
        "use_bdlora", "velora_config",
    ];

    /// <summary>Keys that are read, or that say nothing about the result.</summary>
    internal static readonly string[] Known =
    [
        "r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules", "exclude_modules",
        "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "bias", "init_lora_weights",
        "fan_in_fan_out",
        "megatron_core", "megatron_config", "qalora_group_size", "ensure_weight_tying",
        "lora_bias", TokenIndices.Key,
    ];

    internal static IReadOnlyList<int>? ReadLayers(StrictObject json)
    {
        const string Key = "layers_to_transform";
        if (!json.Has(Key)) return null;
        if (json.Element.GetProperty(Key).ValueKind == JsonValueKind.Number) return [json.GetInt(Key)];
        return json.GetIntList(Key) is { Count: > 0 } layers ? layers : null; // to PEFT none are all
    }

    internal static BiasTraining ReadBias(StrictObject json) => json.GetString("bias", "none") switch
    {
        "none" => BiasTraining.None,
        "all" => BiasTraining.All,
        "lora_only" => BiasTraining.LoraOnly,
        var other => throw json.Error("bias", $"'{other}' is not a value of bias.", "Use none, all or lora_only."),
    };

    internal static LoraInitialization ReadInitialization(StrictObject json)
    {
        const string Key = "init_lora_weights";
        if (!json.Has(Key)) return LoraInitialization.Default;
        var value = json.Element.GetProperty(Key);
        return value.ValueKind switch
        {
            JsonValueKind.True => LoraInitialization.Default,
            JsonValueKind.False => LoraInitialization.Random,
            JsonValueKind.String when value.GetString() is "gaussian" => LoraInitialization.Gaussian,
            _ => throw json.Error(Key, $"The initialisation {value.GetRawText()} is not supported.",
                "It changes the base weights. Convert the adapter to plain LoRA with the tool that made it, or use "
                    + "true, false or gaussian."),
        };
    }

    /// <summary>A number the way Python writes it: whole values of an int key without a fraction.</summary>
    internal static JsonNode Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15
        ? JsonValue.Create((long)value) : JsonValue.Create(value);
}
