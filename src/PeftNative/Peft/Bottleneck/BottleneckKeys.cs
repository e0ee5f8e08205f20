using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Peft.Lora;

namespace PeftNative.Peft.Bottleneck;

/// <summary>The keys of AdapterHub's adapter_config.json: the method's settings lie in its object "config".</summary>
internal static class BottleneckKeys
{
    private const string Version = "adapters.1.3.0";

    // Settings of variants that are not supported, with the value that turns them off, or that then does not matter.
    private static readonly Dictionary<string, string> Fixed = new()
    {
        ["adapter_residual_before_ln"] = "false", ["cross_adapter"] = "false", ["factorized_phm_W"] = "true",
        ["factorized_phm_rule"] = "false",
        ["hypercomplex_nonlinearity"] = "\"glorot-uniform\"", ["init_weights_seed"] = "null", ["inv_adapter"] = "null",
        ["inv_adapter_reduction_factor"] = "null", ["learn_phm"] = "true", ["ln_after"] = "false",
        ["ln_before"] = "false",
        ["original_ln_after"] = "true", ["phm_bias"] = "true", ["phm_c_init"] = "\"normal\"", ["phm_dim"] = "4",
        ["phm_init_range"] = "0.0001",
        ["phm_layer"] = "false", ["phm_rank"] = "1", ["shared_W_phm"] = "false", ["shared_phm_rule"] = "true",
        ["stochastic_depth"] = "0.0",
        ["use_gating"] = "false",
    };

    // Those of them that change the result when they have another value.
    private static readonly string[] Decisive =
    [
        "adapter_residual_before_ln", "cross_adapter", "inv_adapter", "ln_after", "ln_before", "original_ln_after",
        "phm_layer",
        "stochastic_depth", "use_gating",
    ];

    internal static BottleneckConfig Read(StrictObject json)
    {
        // Settings of a command line are not wrapped in an object; what they leave out is that of "pfeiffer".
        var config = json.GetOptionalObject("config") ?? json;
        if (config.GetOptionalString("architecture") is { } other)
            throw config.Error("architecture", $"AdapterHub's '{other}' is not supported.",
                "Bottleneck adapters are; save other methods with PEFT.");
        foreach (var key in Decisive) RefuseOther(config, key);
        var (factor, byLayer) = ReadReduction(config);
        var (scaling, kind) = ReadScaling(config);
        return new BottleneckConfig
        {
            AfterAttention = config.GetBool("mh_adapter", false),
            AfterFeedForward = config.GetBool("output_adapter", true),
            ReductionFactor = factor,
            LayerReductionFactors = byLayer,
            NonLinearity = config.GetString("non_linearity", "relu"),
            NormBefore = config.GetBool("original_ln_before", true),
            ResidualBeforeNorm = config.GetBool("residual_before_ln", true),
            IsParallel = config.GetBool("is_parallel", false),
            Scaling = scaling,
            ScalingKind = kind,
            Dropout = config.GetDouble("dropout", 0),
            LeaveOut = config.Has("leave_out") ? config.GetIntList("leave_out") : [],
            Initialization = ReadInitialization(config),
            AdapterName = json.GetOptionalString("name"),
            ModelName = json.GetOptionalString("model_name"),
            BaseModel = json.GetOptionalString("base_model_name_or_path"),
            TaskType = BottleneckPlaces.TaskType(json.GetOptionalString("model_class")),
        };
    }

    internal static JsonObject Write(BottleneckConfig c)
    {
        var config = new JsonObject
        {
            ["mh_adapter"] = c.AfterAttention, ["output_adapter"] = c.AfterFeedForward,
            ["non_linearity"] = c.NonLinearity,
            ["original_ln_before"] = c.NormBefore, ["residual_before_ln"] = c.ResidualBeforeNorm,
            ["is_parallel"] = c.IsParallel,
            ["dropout"] = c.Dropout, ["leave_out"] = new JsonArray([.. c.LeaveOut.Select(i => (JsonNode)i)]),
            ["reduction_factor"] = ReductionJson(c),
            ["scaling"] = c.ScalingKind == BottleneckScaling.Fixed
                ? c.Scaling : (JsonNode)c.ScalingKind.ToString().ToLowerInvariant(),
            ["init_weights"] = c.Initialization switch
            {
                BottleneckInitialization.MamAdapter => "mam_adapter",
                BottleneckInitialization.Houlsby => "houlsby",
                _ => "bert",
            },
        };
        foreach (var (key, value) in Fixed) config[key] = JsonNode.Parse(value);
        return new JsonObject { ["config"] = config, ["name"] = c.AdapterName };
    }

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

    private static void RefuseOther(StrictObject config, string key)
    {
        if (!config.Has(key)) return;
        var value = config.Element.GetProperty(key);
        var isOff = value.ValueKind == JsonValueKind.Number ? value.GetDouble() == 0 : value.GetRawText() == Fixed[key];
        if (!isOff)
            throw config.Error(key,
                $"The bottleneck setting '{key}' = {value.GetRawText()} is not supported, and ignoring it would change "
                    + "the result.",
                "Make the adapter without it.");
    }

    private static (double, Dictionary<int, double>) ReadReduction(StrictObject config)
    {
        const string Key = "reduction_factor";
        if (!config.Has(Key)) return (16, []);
        if (config.Element.GetProperty(Key).ValueKind == JsonValueKind.Number) return (config.GetDouble(Key), []);
        var map = config.GetObject(Key);
        var byLayer = new Dictionary<int, double>();
        foreach (var key in map.Keys.Where(k => k != "default"))
            byLayer[int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var layer)
                ? layer : throw map.Error(key, $"'{key}' is not the number of a layer.")] = map.GetDouble(key);
        return (map.GetDouble("default", 1), byLayer);
    }

    private static JsonNode ReductionJson(BottleneckConfig c)
    {
        if (c.LayerReductionFactors.Count == 0) return LoraKeys.Number(c.ReductionFactor);
        var map = new JsonObject { ["default"] = LoraKeys.Number(c.ReductionFactor) };
        foreach (var (layer, factor) in c.LayerReductionFactors) map[layer.ToString(CultureInfo.InvariantCulture)] =
            LoraKeys.Number(factor);
        return map;
    }

    private static (double, BottleneckScaling) ReadScaling(StrictObject config)
    {
        const string Key = "scaling";
        if (!config.Has(Key)) return (1, BottleneckScaling.Fixed);
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

    private static BottleneckInitialization ReadInitialization(StrictObject config) =>
        config.GetString("init_weights", "bert") switch
    {
        "bert" => BottleneckInitialization.Bert,
        "mam_adapter" => BottleneckInitialization.MamAdapter,
        "houlsby" => BottleneckInitialization.Houlsby,
        var other => throw config.Error("init_weights", $"'{other}' is not a value of init_weights.",
            "Use bert, mam_adapter or houlsby."),
    };
}
