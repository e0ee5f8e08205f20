using PeftNative.Formats.Json;
using PeftNative.Formats.Text;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// What config.json says of how a checkpoint is quantised. Which layers are, and their shapes, the tensors say; of this
/// only what they cannot say is used. Immutable.
/// </summary>
internal sealed record StoredQuantization
{
    private static readonly string[] Methods = ["bitsandbytes", "gptq", "awq", "fp8", "compressed-tensors", "mxfp4"];

    // What the formats of compressed-tensors call themselves that are read.
    private static readonly string[] Formats =
        ["pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "dense"];

    /// <summary>A checkpoint without a word about it.</summary>
    internal static StoredQuantization None { get; } = new();

    /// <summary>The method; null where config.json has none.</summary>
    internal string? Method { get; init; }

    /// <summary>Columns that share a scale (gptq, awq); null where it is not said, -1 for all.</summary>
    internal int? GroupSize { get; init; }

    /// <summary>Whether zeros are stored as they are, not less 1 (gptq_v2).</summary>
    internal bool HasWholeZeros { get; init; }

    /// <summary>Rows and columns that share a scale (fp8); null where it is not said.</summary>
    internal (int Rows, int Columns)? Block { get; init; }

    /// <summary>The schemes of weights that compressed-tensors names.</summary>
    internal IReadOnlyList<StoredScheme> Schemes { get; init; } = [];

    /// <summary>Reads the config.json of a folder; of a file, there is none.</summary>
    /// <exception cref="ModelFormatException">The method is not known, or a value makes no sense.</exception>
    internal static StoredQuantization Read(string folder)
    {
        var path = Path.Combine(folder, "config.json");
        return File.Exists(path) ? Read(StrictJson.ReadFile(path)) : None;
    }

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="ModelFormatException">The method is not known, or a value makes no sense.</exception>
    internal static StoredQuantization Read(StrictObject config)
    {
        var json = config.GetOptionalObject("quantization_config")
            ?? config.GetOptionalObject("compression_config")
            ?? config.GetOptionalObject("text_config")?.GetOptionalObject("quantization_config");
        if (json is null) return None;
        var method = json.GetOptionalString("quant_method")
            ?? (json.GetBool("load_in_4bit", false) || json.GetBool("load_in_8bit", false) ? "bitsandbytes"
                : json.GetString("quant_method"));
        if (!Methods.Contains(method))
            throw json.Error("quant_method", $"The quantisation method '{Message.Clip(method)}' is not supported.",
                $"Supported: {string.Join(", ", Methods)}; or take the model as it was before it was quantised.");
        var read = new StoredQuantization { Method = method };
        return method switch
        {
            "bitsandbytes" => Bitsandbytes(json, read),
            "gptq" => Gptq(json, read),
            "awq" => Awq(json, read),
            "fp8" => Float8(json, read),
            "compressed-tensors" => Compressed(json, read),
            _ => read,
        };
    }

    private static StoredQuantization Bitsandbytes(StrictObject json, StoredQuantization read)
    {
        var (in4, in8) = (json.GetBool("load_in_4bit", false), json.GetBool("load_in_8bit", false));
        if (in4 && in8) throw json.Error("load_in_8bit", "load_in_4bit and load_in_8bit exclude each other.");
        var type = json.GetString("bnb_4bit_quant_type", "fp4");
        return type is "nf4" or "fp4" ? read
            : throw json.Error("bnb_4bit_quant_type", $"The type '{Message.Clip(type)}' is not known.",
                "Supported: nf4, fp4.");
    }

    private static StoredQuantization Gptq(StrictObject json, StoredQuantization read)
    {
        var format = json.GetString("checkpoint_format", "gptq");
        if (format is not ("gptq" or "gptq_v2"))
            throw json.Error("checkpoint_format", $"GPTQ's format '{Message.Clip(format)}' is not supported.",
                "Supported: gptq, gptq_v2.");
        Bits(json, 4, 8);
        return read with { GroupSize = Group(json), HasWholeZeros = format == "gptq_v2" };
    }

    private static StoredQuantization Awq(StrictObject json, StoredQuantization read)
    {
        var version = json.GetString("version", "gemm");
        if (!version.Equals("gemm", StringComparison.OrdinalIgnoreCase))
            throw json.Error("version", $"AWQ's packing '{Message.Clip(version)}' is not supported.",
                "Supported: gemm.");
        Bits(json, 4);
        return read with { GroupSize = Group(json) };
    }

    private static StoredQuantization Float8(StrictObject json, StoredQuantization read)
    {
        if (json.GetString("fmt", "e4m3") is not "e4m3" and var format)
            throw json.Error("fmt", $"The float format '{Message.Clip(format)}' is not supported.",
                "Supported: e4m3.");
        return read with { Block = json.Has("weight_block_size") ? Pair(json, "weight_block_size") : null };
    }

    private static StoredQuantization Compressed(StrictObject json, StoredQuantization read)
    {
        var format = json.GetString("format", "dense");
        // Several formats in one checkpoint: each group then names its own, and the tensors say which it is.
        if (format != "mixed-precision" && !Formats.Contains(format))
            throw json.Error("format", $"The format '{Message.Clip(format)}' of compressed-tensors is not supported.",
                $"Supported: {string.Join(", ", Formats)}.");
        if (json.GetOptionalObject("transform_config") is { } transforms && transforms.Keys.Any(key =>
            key != "config_groups" || transforms.GetOptionalObject(key) is { } transformed && transformed.Keys.Any()))
            throw json.Error("transform_config", "Weights and activations that are transformed are not supported.",
                "Take the model as it was before it was quantised.");
        var sparsity = json.GetOptionalObject("sparsity_config")?.GetString("format", "dense") ?? "dense";
        if (sparsity != "dense")
            throw json.Error("sparsity_config", $"Sparse weights ('{Message.Clip(sparsity)}') are not supported.",
                "Supported: dense.");
        if (json.GetOptionalObject("config_groups") is not { } groups) return read;
        var schemes = groups.Keys.Select(k => groups.GetObject(k).GetOptionalObject("weights")).OfType<StrictObject>();
        return read with { Schemes = [.. schemes.Select(Scheme)] };
    }

    private static StoredScheme Scheme(StrictObject weights)
    {
        var (rows, columns) = Sides(weights);
        return new StoredScheme(rows, columns, weights.GetString("type", "int"), weights.GetInt("num_bits", 8),
            weights.GetBool("symmetric", true));
    }

    private static (int, int) Sides(StrictObject weights)
    {
        var size = weights.GetOptionalInt("group_size") ?? 0;
        var strategy = weights.GetString("strategy", size > 0 ? "group" : size < 0 ? "channel" : "tensor");
        return strategy switch
        {
            "tensor" => (int.MaxValue, int.MaxValue),
            "channel" => (1, int.MaxValue),
            "group" when size > 0 => (1, size),
            "block" => Pair(weights, "block_structure"),
            _ => throw weights.Error("strategy", $"The strategy '{Message.Clip(strategy)}' is not supported.",
                "Supported: tensor, channel, group with a group_size, block."),
        };
    }

    private static void Bits(StrictObject json, params int[] known)
    {
        if (json.GetOptionalInt("bits") is { } bits && !known.Contains(bits))
            throw json.Error("bits", $"Codes of {bits} bits are not supported.",
                $"Supported: {string.Join(", ", known)}.");
    }

    private static int? Group(StrictObject json) => json.GetOptionalInt("group_size") is not { } size ? null
        : size is -1 or > 0 ? size
        : throw json.Error("group_size", $"The group size must be -1 or positive, found {size}.");

    private static (int, int) Pair(StrictObject json, string key) =>
        json.GetIntList(key) is [> 0 and var rows, > 0 and var columns] ? (rows, columns)
        : throw json.Error(key, $"'{key}' must be two positive numbers.");
}

/// <summary>How compressed-tensors keeps weights.</summary>
/// <param name="Rows">Rows that share a scale; int.MaxValue for all.</param>
/// <param name="Columns">Columns that share a scale; int.MaxValue for all.</param>
/// <param name="Type">int or float.</param>
/// <param name="Bits">Bits of a code.</param>
/// <param name="IsSymmetric">Whether zero is the code in the middle; else there are zeros beside the scales.</param>
internal readonly record struct StoredScheme(int Rows, int Columns, string Type, int Bits, bool IsSymmetric)
{
    /// <summary>In words.</summary>
    public override string ToString() => $"{Message.Clip(Type)} of {Bits} bits{(IsSymmetric ? "" : " with zeros")}";
}
