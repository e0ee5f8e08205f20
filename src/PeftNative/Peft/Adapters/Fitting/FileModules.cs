using PeftNative.Formats.Safetensors;
using PeftNative.Models.Families;

namespace PeftNative.Peft.Adapters.Fitting;

/// <summary>The modules that tensors of an adapter belong to, by their names alone.</summary>
internal static class FileModules
{
    internal const string Number = "N";

    // What follows a module's name, in PEFT's files and in AdapterHub's.
    private static readonly HashSet<string> Parts =
    [
        "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "ia3_l", "base_layer",
        "token_adapter", "modules_to_save", "original_module", "adapters", "loras", "weight", "bias",
    ];

    /// <summary>The module of a tensor in the module tree; empty where the name has none.</summary>
    internal static string Of(StoredTensor tensor)
    {
        var name = AdapterKeys.WithoutRoot(AdapterKeys.Unwrapped(tensor.Name));
        return string.Join('.', name.Split('.').TakeWhile(part => !Parts.Contains(part)));
    }

    /// <summary>A module's name with N in place of numbers.</summary>
    internal static string Pattern(string module) =>
        string.Join('.', module.Split('.').Select(part => IsNumber(part) ? Number : part));

    /// <summary>The first number in a module's name, which is that of its layer; null where there is none.</summary>
    internal static int? LayerOf(string module) =>
        module.Split('.').FirstOrDefault(IsNumber) is { } text && int.TryParse(text, out var layer) ? layer : null;

    /// <summary>Whether a family has a module of a pattern, or one around or inside it.</summary>
    internal static bool Has(ModuleNames names, string pattern, bool isHeadless = false) =>
        PatternsOf(names).Select(own => isHeadless ? Without(names.Backbone, own) : own).Any(own =>
            own == pattern || own.StartsWith(pattern + ".", StringComparison.Ordinal)
            || pattern.StartsWith(own + ".", StringComparison.Ordinal));

    private static IEnumerable<string> PatternsOf(ModuleNames names)
    {
        string?[] inLayer =
        [
            names.FusedQkv, names.FusedQkv is null ? names.Query : null, names.FusedQkv is null ? names.Key : null,
            names.FusedQkv is null ? names.Value : null, names.AttentionOutput, names.AttentionNorm, names.Gate,
            names.FusedGateUp, names.FusedGateUp is null ? names.Up : null, names.GatedUp, names.Down,
            names.FeedForwardNorm, names.Cross?.Query, names.Cross?.Key, names.Cross?.Value, names.Cross?.Output,
        ];
        var layer = Pattern(names.LayerPath(0));
        return inLayer.Where(n => !string.IsNullOrEmpty(n)).Select(n => $"{layer}.{Pattern(n!)}")
            .Concat(names.Encoder is { } encoder ? PatternsOf(encoder) : []);
    }

    private static string Without(string backbone, string pattern) =>
        backbone.Length > 0 && pattern.StartsWith(backbone + ".", StringComparison.Ordinal)
            ? pattern[(backbone.Length + 1)..] : pattern;

    private static bool IsNumber(string part) => part.Length > 0 && part.All(char.IsAsciiDigit);
}
