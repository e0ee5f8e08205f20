using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Lora;

/// <summary>Values of LoRA's adapter_config.json that need more than one line.</summary>
internal static class LoraKeys
{
    internal static IReadOnlyList<int>? ReadLayers(StrictObject json)
    {
        const string Key = "layers_to_transform";
        if (json.Element.GetProperty(Key).ValueKind == JsonValueKind.Number) return [json.GetInt(Key)];
        return json.GetIntList(Key) is { Count: > 0 } layers ? layers : null; // to PEFT none are all
    }

    internal static IReadOnlyList<string> ReadLayersPattern(StrictObject json)
    {
        var pattern = TargetModules.Read(json, "layers_pattern")!;
        return pattern.Names ?? [pattern.Pattern!];
    }

    internal static LoraInitialization ReadInitialization(StrictObject json)
    {
        const string Key = "init_lora_weights";
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

    internal static JsonNode WriteInitialization(LoraConfig config) => config.Initialization switch
    {
        LoraInitialization.Gaussian => "gaussian",
        LoraInitialization.Random => false,
        _ => (JsonNode)true,
    };
}
