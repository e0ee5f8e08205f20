using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Formats.Text;
using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>Rotary positions as a GGUF file describes them. Stateless and thread-safe.</summary>
internal static class GgufRope
{
    // Factors of llama.cpp's that change scores whatever the type of scaling, and the values that change nothing.
    private static readonly (string Key, Func<double, bool> IsNeutral)[] Unsupported =
    [
        ("rope.scaling.attn_factor", factor => factor == 1), ("rope.scaling.yarn_attn_factor", factor => factor == 1),
        ("rope.scaling.yarn_ext_factor", factor => factor <= 0),
    ];

    /// <summary>
    /// What positions are divided by; null for nothing. As in llama.cpp a file that names no type means linear, 0 means
    /// 1, and the old key counts where the new one is absent.
    /// </summary>
    /// <exception cref="ModelFormatException">The scaling is not supported.</exception>
    internal static double? Scaling(GgufKeys keys)
    {
        const string Type = "rope.scaling.type", Factor = "rope.scaling.factor", OldFactor = "rope.scale_linear";
        foreach (var (name, isNeutral) in Unsupported)
            if (keys.Number(name) is { } value && !isNeutral(value))
                throw keys.Error(name, $"is {value}, which is not supported in GGUF", "Take the model's safetensors.");
        var type = keys.Text(Type) ?? "linear";
        if (type == "none") return null;
        if (type != "linear")
            throw keys.Error(Type, $"is '{Message.Clip(type)}', which is not supported in GGUF",
                $"Supported: none, linear, and divisors in {GgufArchitecture.Divisors}.");
        var key = keys.Number(Factor) is null ? OldFactor : Factor;
        return keys.Number(key) switch
        {
            null or 0 or 1 => null,
            > 0 and var factor => factor,
            var factor => throw keys.Error(key, $"must be positive, found {factor}"),
        };
    }

    /// <summary>
    /// Sets how many columns of a head turn, and what their frequencies are divided by: Llama 3.1's scaling, worked
    /// out.
    /// </summary>
    /// <exception cref="ModelFormatException">The file asks for what is not supported.</exception>
    internal static TransformerConfig Apply(TransformerConfig config, GgufKeys keys, WeightSource source)
    {
        foreach (var tensor in (string[])["rope_factors_long.weight", "rope_factors_short.weight"])
            if (source.Contains(tensor))
                throw new ModelFormatException("Rotary positions by two lists of factors are not supported in GGUF.",
                    Message.At(source.FileOf(tensor).Path, tensor), "Take the model's safetensors.");
        if (config.Layers[0].Rope is null) return config;
        if (keys.Optional("rope.dimension_count") is { } turned)
        {
            if (turned % 2 != 0 || turned > config.HeadDim)
                throw keys.Error("rope.dimension_count", $"must be even and at most {config.HeadDim}, found {turned}");
            config = config.WithLayers((layer, _) => layer with { Rope = layer.Rope! with { RotaryDim = turned } });
        }
        return source.Contains(GgufArchitecture.Divisors) ? Divided(config, source) : config;
    }

    /// <summary>Says the same in a config.json: divisors as LongRoPE, with a factor for each frequency.</summary>
    /// <exception cref="UsageException">No config.json says it.</exception>
    internal static void AddTo(JsonObject json, TransformerConfig config, GgufKeys keys, WeightSource source)
    {
        if (config.Layers[0].Rope is not { } rope) return;
        if (rope.RotaryDim != config.HeadDim)
        {
            if (config.ModelType != "phi3")
                throw new UsageException($"No config.json of a {config.ModelType} model says that only "
                    + $"{rope.RotaryDim} columns of {config.HeadDim} turn.", keys.Full("rope.dimension_count"),
                    "Take the model's safetensors.");
            json["partial_rotary_factor"] = rope.RotaryDim / (double)config.HeadDim;
        }
        if (!source.Contains(GgufArchitecture.Divisors)) return;
        json["rope_scaling"] = new JsonObject
        {
            ["rope_type"] = rope.Type, ["factor"] = rope.Factor,
            ["original_max_position_embeddings"] = rope.OriginalMaxPositions,
            ["short_factor"] = List(rope.ShortFactors), ["long_factor"] = List(rope.LongFactors),
        };

        static JsonArray List(IEnumerable<double> values) => new([.. values.Select(v => (JsonNode)v)]);
    }

    private static TransformerConfig Divided(TransformerConfig config, WeightSource source)
    {
        var (rope, place) = (config.Layers[0].Rope!,
            Message.At(source.FileOf(GgufArchitecture.Divisors).Path, GgufArchitecture.Divisors));
        var divisors = new float[rope.RotaryDim / 2];
        var count = source.Get(GgufArchitecture.Divisors).ElementCount;
        if (count != divisors.Length)
            throw new ModelFormatException(
                $"The divisors of rotary frequencies are {count}, {divisors.Length} are expected.", place);
        source.ReadAs(GgufArchitecture.Divisors, divisors);
        if (Array.Exists(divisors, d => !(float.IsFinite(d) && d > 0)))
            throw new ModelFormatException("A divisor of rotary frequencies is not a positive number.", place);
        double[] factors = [.. divisors.Select(d => d * rope.Factor)];
        var divided = rope with
        {
            Type = "longrope", Factor = 1, OriginalMaxPositions = config.MaxPositions,
            ShortFactors = factors, LongFactors = factors,
        };
        return config.WithLayers((layer, _) => layer with { Rope = divided });
    }
}
