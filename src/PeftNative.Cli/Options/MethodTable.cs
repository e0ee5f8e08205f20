using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Peft;

namespace PeftNative.Cli.Options;

/// <summary>A way to adapt: its PEFT type, its keys under PEFT's names, and what it fixes by its name.</summary>
internal sealed record Method(string Name, string PeftType, double LearningRate, Setting[] Keys, params (string Key, bool Value)[] Fixed);

/// <summary>The methods of --method and their settings, spelled as in PEFT's adapter_config.json.</summary>
internal static class MethodTable
{
    private const string Group = "LoRA, spelled as in adapter_config.json";

    private static readonly Setting[] Lora =
    [
        Key("r", SettingKind.Whole, "Rank.") with { Aliases = ["lora_r", "lora_rank", "rank"], Least = 1, Most = 65536 },
        Key("lora_alpha", SettingKind.Number, "The low-rank product is scaled by lora_alpha / r."),
        Key("lora_dropout", SettingKind.Number, "Dropout on the input of the low-rank pair.") with { Least = 0, Most = 0.999 },
        Key("target_modules", SettingKind.NamesOrPattern, "Modules to adapt: ends of names, a regular expression, or all-linear.")
            with { Aliases = ["lora_target", "lora_target_modules"] },
        Key("exclude_modules", SettingKind.NamesOrPattern, "Modules not to adapt."),
        Key("modules_to_save", SettingKind.Names, "Modules trained whole; a classifier's head is added by itself."),
        Key("bias", SettingKind.Text, "Which biases are trained.") with { Choices = ["none", "all", "lora_only"] },
        Key("use_dora", SettingKind.Switch, "DoRA: magnitude and direction apart."),
        Key("use_rslora", SettingKind.Switch, "Scale by lora_alpha / sqrt(r)."),
        Key("rank_pattern", SettingKind.Map, "Another r for modules that a pattern names."),
        Key("alpha_pattern", SettingKind.Map, "Another lora_alpha for modules that a pattern names."),
        Key("layers_to_transform", SettingKind.Wholes, "Only these layers, from 0."),
        Key("layers_pattern", SettingKind.Names, "What stands before the layer number in names."),
        Key("init_lora_weights", SettingKind.SwitchOrText, "true, gaussian, or false for both random.") with { ValueName = "true|false|gaussian" },
    ];

    /// <summary>All methods, the default first.</summary>
    public static readonly Method[] All =
    [
        new("lora", "LORA", 2e-4, Lora),
        new("dora", "LORA", 2e-4, Lora, ("use_dora", true)),
        new("full", "FULL", 2e-5, []),
        new("head", "HEAD", 1e-3, []),
    ];

    public static readonly Setting Name = new("method", SettingKind.Text, "How the model is adapted; full and head train it without an adapter.")
    {
        Default = "lora", Choices = [.. All.Select(m => m.Name)], Group = "What",
    };

    /// <summary>The keys of all methods.</summary>
    public static readonly Setting[] Keys = [.. All.SelectMany(m => m.Keys).Distinct()];

    /// <summary>The method asked for.</summary>
    public static Method Of(SettingValues values) => All.First(m => m.Name == values.Text(Name));

    /// <summary>The settings of the adapter asked for.</summary>
    /// <exception cref="UsageException">A key belongs to another method, or a value is impossible.</exception>
    public static AdapterConfig Config(SettingValues values)
    {
        var method = Of(values);
        var json = new JsonObject { ["peft_type"] = method.PeftType, ["base_model_name_or_path"] = values.Text(Shared.Model) };
        foreach (var (key, value) in method.Fixed) json[key] = value;
        foreach (var setting in Keys.Where(values.Has))
        {
            if (!method.Keys.Contains(setting))
                throw new UsageException($"{setting.Key} is no setting of the method {method.Name}.", values.OriginOf(setting), method.Keys.Length == 0
                    ? "It has none." : $"It has: {string.Join(", ", method.Keys.Select(k => k.Key))}.");
            if (method.Fixed.Any(f => f.Key == setting.Key && f.Value != values.Switch(setting)))
                throw new UsageException($"The method {method.Name} needs {setting.Key}.", values.OriginOf(setting), "Leave it out, or use --method lora.");
            json[setting.Key] = values.Node(setting)!.DeepClone();
        }
        return Read(json);
    }

    private static AdapterConfig Read(JsonObject json)
    {
        try
        {
            return AdapterFolder.ReadConfig(StrictJson.ParseObject(Encoding.UTF8.GetBytes(json.ToJsonString()), "method settings"));
        }
        catch (ModelFormatException e)
        {
            throw new UsageException(e.What, e.Where, e.Remedy, e);
        }
    }

    private static Setting Key(string key, SettingKind kind, string help) => new(key, kind, help) { Group = Group };
}
