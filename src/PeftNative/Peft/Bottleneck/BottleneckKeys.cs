using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Bottleneck;

/// <summary>Values of AdapterHub's settings that need more than one line.</summary>
internal static class BottleneckKeys
{
    internal const string Release = "1.3.0";

    private const string Version = $"adapters.{Release}";

    /// <summary>Adds what both of AdapterHub's settings files say of the model.</summary>
    internal static JsonObject Describe(JsonObject json, TransformerModel model, BottleneckConfig config)
    {
        json["hidden_size"] = model.Config.HiddenSize;
        json["model_class"] = model.Family.ClassFor(model.Task);
        json["model_name"] = config.ModelName;
        json["model_type"] = model.Config.ModelType;
        json["version"] = Version;
        return json;
    }

    /// <summary>A number, or one for each layer and one for the others.</summary>
    internal static (double Factor, IReadOnlyDictionary<int, double> ByLayer) ReadReduction(StrictObject config)
    {
        const string Key = "reduction_factor";
        var byLayer = new Dictionary<int, double>();
        if (config.Element.GetProperty(Key).ValueKind == JsonValueKind.Number) return (config.GetDouble(Key), byLayer);
        var map = config.GetObject(Key);
        foreach (var key in map.Keys.Where(k => k != "default"))
            byLayer[int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var layer)
                ? layer : throw map.Error(key, $"'{key}' is not the number of a layer.")] = map.GetDouble(key);
        return (map.GetDouble("default", 1), byLayer);
    }

    internal static JsonNode WriteReduction(BottleneckConfig c)
    {
        if (c.LayerReductionFactors.Count == 0) return ConfigKey.AsWhole(c.ReductionFactor);
        var map = new JsonObject { ["default"] = ConfigKey.AsWhole(c.ReductionFactor) };
        foreach (var (layer, factor) in c.LayerReductionFactors)
            map[layer.ToString(CultureInfo.InvariantCulture)] = ConfigKey.AsWhole(factor);
        return map;
    }

    /// <summary>A number, or what is trained in its place.</summary>
    internal static (double Scaling, BottleneckScaling Kind) ReadScaling(StrictObject config)
    {
        const string Key = "scaling";
        if (config.Element.GetProperty(Key).ValueKind == JsonValueKind.Number)
            return (config.GetDouble(Key), BottleneckScaling.Fixed);
        return config.GetString(Key) switch
        {
            "learned" => (1, BottleneckScaling.Learned),
            "channel" => (1, BottleneckScaling.Channel),
            var other =>
                throw config.Error(Key, $"'{other}' is not a kind of scaling.", "Use a number, learned or channel."),
        };
    }

    internal static JsonNode WriteScaling(BottleneckConfig c) => c.ScalingKind == BottleneckScaling.Fixed
        ? c.Scaling : c.ScalingKind.ToString().ToLowerInvariant();
}
