using PeftNative.Formats.Json;

namespace PeftNative.Models.Config;

// Rotary positions, in the spelling of transformers 4 or 5.
public sealed partial class ConfigReader
{
    /// <summary>Rotary settings: rope_parameters (transformers 5), or rope_theta and rope_scaling (4).</summary>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="maxPositions">Largest position the model was made for.</param>
    /// <param name="layerType">Where rope_parameters has an entry per type of layer: which.</param>
    /// <param name="theta">The base, where neither place gives one.</param>
    /// <param name="share">The share of a head that turns, where config.json does not say.</param>
    internal RopeSettings Rope(int headDim, int maxPositions, string? layerType = null, double? theta = null,
        double share = 1)
    {
        var scaling = Scaling;
        if (layerType is not null && scaling?.GetOptionalObject(layerType) is { } own) scaling = own;
        share = scaling?.GetOptionalDouble("partial_rotary_factor")
            ?? json.GetOptionalDouble("partial_rotary_factor") ?? share;
        var settings = new RopeSettings
        {
            Theta = scaling?.GetOptionalDouble("rope_theta") ?? theta ?? json.GetDouble("rope_theta", 10000),
            RotaryDim = (int)(headDim * share),
        };
        var type = scaling?.GetOptionalString("rope_type") ?? scaling?.GetOptionalString("type") ?? "default";
        return scaling is null || type == "default" ? settings : Scaled(settings, scaling, type, maxPositions);
    }

    /// <summary>
    /// Rotary settings of the layers with a window, where these have their own: an entry of rope_parameters or, without
    /// it, a base and no scaling.
    /// </summary>
    internal RopeSettings WindowRope(int headDim, int maxPositions, double theta) => json.Has("rope_parameters")
        ? Rope(headDim, maxPositions, "sliding_attention")
        : new RopeSettings { Theta = theta, RotaryDim = headDim };

    /// <summary>A number of the rotary scaling that one family alone knows, or null.</summary>
    internal double? RopeNumber(string name) => Scaling?.GetOptionalDouble(name);

    private StrictObject? Scaling =>
        json.GetOptionalObject("rope_parameters") ?? json.GetOptionalObject("rope_scaling");

    private RopeSettings Scaled(RopeSettings settings, StrictObject scaling, string type, int maxPositions)
    {
        if (type is not ("linear" or "dynamic" or "llama3" or "yarn" or "longrope" or "su"))
            throw scaling.Error("rope_type", $"The rotary scaling '{type}' is not supported.",
                "Supported: default, linear, dynamic, llama3, yarn, longrope.");
        var original = OriginalPositions(scaling, type) ?? maxPositions;
        settings = settings with
        {
            Type = type == "su" ? "longrope" : type,
            Factor = type is "longrope" or "su" or "yarn"
                ? scaling.GetOptionalDouble("factor") ?? (double)maxPositions / original : scaling.GetDouble("factor"),
            OriginalMaxPositions = original,
            LowFrequencyFactor = scaling.GetDouble("low_freq_factor", 1),
            HighFrequencyFactor = scaling.GetDouble("high_freq_factor", 4),
            BetaFast = scaling.GetDouble("beta_fast", 32),
            BetaSlow = scaling.GetDouble("beta_slow", 1),
            AttentionFactor = scaling.GetOptionalDouble("attention_factor"),
            MScale = scaling.GetOptionalDouble("mscale"),
            MScaleAllDim = scaling.GetOptionalDouble("mscale_all_dim"),
            Truncate = scaling.GetBool("truncate", true),
        };
        if (settings.Type != "longrope") return settings;
        settings = settings with { ShortFactors = scaling.GetDoubleList("short_factor"),
            LongFactors = scaling.GetDoubleList("long_factor") };
        return settings.ShortFactors.Count == settings.RotaryDim / 2
            && settings.LongFactors.Count == settings.RotaryDim / 2 ? settings
            : throw scaling.Error("long_factor",
                $"long_factor and short_factor need {settings.RotaryDim / 2} entries each.");
    }

    // As the reference has it: "dynamic" stretches what the model takes now, and longrope believes the model first.
    private int? OriginalPositions(StrictObject scaling, string type)
    {
        const string Key = "original_max_position_embeddings";
        var (own, outer) = (scaling.GetOptionalInt(Key), json.GetOptionalInt(Key));
        int? found = type switch
        {
            "dynamic" => null,
            "longrope" or "su" => outer ?? own,
            _ => own ?? outer,
        };
        return found is { } value ? Positive(Key, value) : null;
    }
}
