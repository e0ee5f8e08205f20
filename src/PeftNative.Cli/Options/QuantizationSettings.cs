using PeftNative.Quantization;

namespace PeftNative.Cli.Options;

/// <summary>
/// How the frozen layers of the base are kept, under names of our own and those of transformers' BitsAndBytesConfig.
/// </summary>
internal static class QuantizationSettings
{
    private const string Group = "Base";

    private static readonly Setting Type = new("quantization", SettingKind.Text,
        "Keep the base's frozen linear layers in 4 or 8 bits.")
    {
        Choices = ["none", "nf4", "fp4", "int8"], Aliases = ["bnb_4bit_quant_type"], ValueName = "TYPE", Group = Group,
    };

    private static readonly Setting Double = new("double_quant", SettingKind.Switch,
        "Quantise the maxima of the 4-bit blocks too.")
    {
        Aliases = ["bnb_4bit_use_double_quant"], Group = Group,
    };

    private static readonly Setting Compute = new("int8_compute", SettingKind.Text,
        "With int8: dequantise for each product, or multiply the whole numbers (cpu).")
    {
        Choices = ["dequantize", "integer"], Default = "dequantize", Group = Group,
    };

    private static readonly Setting In4Bits = new("load_in_4bit", SettingKind.Switch,
        "As in transformers: --quantization fp4 where no type is given.") { Group = Group };

    private static readonly Setting In8Bits = new("load_in_8bit", SettingKind.Switch,
        "As in transformers: --quantization int8.") { Group = Group };

    private static readonly Setting BlockSize = new("quantization_block_size", SettingKind.Whole,
        "Elements that share a maximum, in 4 bits.")
    {
        Default = "64", Least = 2, Most = 65536, Group = Group,
    };

    private static readonly Setting Skip = new("llm_int8_skip_modules", SettingKind.Names,
        "Modules to leave alone, beside the head.") { Group = Group };

    /// <summary>All of them.</summary>
    public static readonly Setting[] All = [Type, Compute, Double, In4Bits, In8Bits, BlockSize, Skip];

    /// <summary>What they ask for; null for a base as it is.</summary>
    /// <exception cref="UsageException">They contradict each other.</exception>
    public static QuantizationOptions? Read(SettingValues values)
    {
        var (in4, in8) = (values.Switch(In4Bits), values.Switch(In8Bits));
        var type = values.OptionalText(Type) ?? (in8 ? "int8" : in4 ? "fp4" : "none");
        if (in4 && in8 || in8 && type != "int8" || in4 && type is "int8" or "none")
            throw new UsageException("The settings of quantisation contradict each other.",
                values.OriginOf(in8 ? In8Bits : In4Bits), "Give --quantization alone.");
        var compute = Enum.Parse<Int8Compute>(values.Text(Compute), ignoreCase: true);
        if (type == "none" && compute == Int8Compute.Integer)
            throw new UsageException("There are no whole numbers of 8 bits to multiply.", values.OriginOf(Compute),
                "Give --quantization int8 too.");
        if (type == "none") return null;
        return new QuantizationOptions
        {
            Type = Enum.Parse<QuantizationType>(type, ignoreCase: true), Int8Compute = compute,
            DoubleQuantization = values.Switch(Double),
            BlockSize = values.Int(BlockSize), Skip = values.Texts(Skip),
        };
    }
}
