using System.Globalization;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Lora.Mlx;

/// <summary>
/// Reads mlx-lm's adapter_config.json: one rank and one scale for all, and no list of modules; these are the ones that
/// adapters.safetensors has tensors of. What else stands there was said to its training.
/// </summary>
internal static class MlxLoraSettings
{
    /// <summary>The file of the tensors.</summary>
    internal const string Weights = "adapters.safetensors";

    private const string Parameters = "lora_parameters", Type = "fine_tune_type";

    /// <summary>Whether settings are mlx-lm's.</summary>
    internal static bool Are(StrictObject json) => !json.Has("peft_type") && (json.Has(Parameters) || json.Has(Type));

    /// <summary>The settings in PEFT's words.</summary>
    /// <exception cref="ModelFormatException">They are not of a low-rank adapter, or the tensors are not there.
    /// </exception>
    internal static LoraConfig Read(StrictObject json)
    {
        var type = json.GetString(Type, "lora");
        if (type is not ("lora" or "dora"))
            throw json.Error(Type, $"mlx-lm's '{Message.Clip(type)}' is not supported; lora and dora are.",
                "Fuse it with mlx_lm.fuse, and take the whole model.").As(AdapterMisfit.NotSupported);
        var parameters = json.GetObject(Parameters);
        var rank = parameters.GetInt("rank");
        var (targets, layers) = Modules(Path.Combine(Path.GetDirectoryName(json.File)!, Weights));
        return new LoraConfig
        {
            R = rank, Alpha = rank * parameters.GetDouble("scale"), Dropout = parameters.GetDouble("dropout", 0),
            UseDora = type == "dora", Targets = TargetModules.Of(targets), Layers = layers,
            BaseModel = json.GetOptionalString("model"), TaskType = ModelTask.CausalLM.PeftName(),
        };
    }

    // The names in a layer are those of PEFT; what is in no layer goes by its last name.
    private static (List<string> Targets, List<int>? Layers) Modules(string path)
    {
        if (!File.Exists(path))
            throw new ModelFormatException($"The folder has no {Weights}.", path,
                "Get the file from where the adapter came from.").As(AdapterMisfit.Incomplete);
        using var file = SafetensorsFile.Open(path);
        var (targets, layers, isOutside) = (new SortedSet<string>(StringComparer.Ordinal), new SortedSet<int>(), false);
        foreach (var tensor in file.Tensors)
        {
            var parts = tensor.Name.Split('.');
            var at = Array.FindIndex(parts,
                p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out _));
            isOutside |= at < 0;
            if (at >= 0) layers.Add(int.Parse(parts[at], CultureInfo.InvariantCulture));
            var module = at < 0 ? parts.TakeLast(2).SkipLast(1) : parts.Skip(at + 1).SkipLast(1);
            if (string.Join('.', module) is { Length: > 0 } name) targets.Add(name);
        }
        return ([.. targets], isOutside || layers.Count == 0 ? null : [.. layers]);
    }
}
