using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Peft;
using PeftNative.Peft.Bottleneck;

namespace PeftNative.Cli.Options;

/// <summary>A way to adapt: its type, its keys, and what its name stands for beyond the type.</summary>
internal sealed record Method(string Name, string Type, string[] Keys, params (string Key, bool Value)[] Fixed);

/// <summary>
/// The methods of --method; keys are spelled as in PEFT's adapter_config.json, those of bottlenecks as AdapterHub
/// spells them.
/// </summary>
internal static class MethodTable
{
    private const string Bottleneck = "BOTTLENECK";

    private static readonly string[] Lora =
    [
        "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "modules_to_save", "bias", "lora_bias",
        "use_dora", "use_rslora", "ensure_weight_tying", "trainable_token_indices", "rank_pattern", "alpha_pattern",
        "layers_to_transform", "layers_pattern", "init_lora_weights",
    ];

    /// <summary>All methods, the default first.</summary>
    public static readonly Method[] All =
    [
        new("lora", "LORA", Lora),
        new("dora", "LORA", Lora, ("use_dora", true)),
        new("ia3", "IA3", ["target_modules", "exclude_modules", "feedforward_modules", "modules_to_save",
            "init_ia3_weights"]),
        new("bottleneck", Bottleneck,
        [
            "mh_adapter", "output_adapter", "reduction_factor", "non_linearity", "original_ln_before",
            "residual_before_ln", "is_parallel", "scaling",
            "dropout", "leave_out", "init_weights",
        ]),
        new("prefix", "PREFIX_TUNING",
            ["num_virtual_tokens", "prefix_projection", "encoder_hidden_size", "init_weights", "modules_to_save"]),
        new("prompt", "PROMPT_TUNING",
            ["num_virtual_tokens", "prompt_tuning_init", "prompt_tuning_init_text", "modules_to_save"]),
        new("p_tuning", "P_TUNING",
        [
            "num_virtual_tokens", "encoder_reparameterization_type", "encoder_hidden_size", "encoder_num_layers",
            "encoder_dropout", "modules_to_save",
        ]),
        new("bitfit", "BITFIT", []),
        new("top_layers", "TOP_LAYERS", ["num_layers"]),
        new("full", "FULL", []),
        new("head", "HEAD", []),
    ];

    public static readonly Setting Name = new("method", SettingKind.Text,
        "How the model is adapted; the last four train parts of it, or all.")
    {
        Default = "lora", Choices = [.. All.Select(m => m.Name)], Group = "What",
    };

    /// <summary>The keys of all methods.</summary>
    public static readonly Setting[] Keys = MethodKeys.All;

    /// <summary>The method asked for.</summary>
    public static Method Of(SettingValues values) => All.First(m => m.Name == values.Text(Name));

    /// <summary>The keys of a method that the user has set.</summary>
    public static IEnumerable<Setting> Given(SettingValues values) => Keys.Where(values.Has);

    /// <summary>The settings of the adapter asked for.</summary>
    /// <exception cref="UsageException">A key belongs to another method, or a value is impossible.</exception>
    public static AdapterConfig Config(SettingValues values)
    {
        var method = Of(values);
        var json = new JsonObject();
        foreach (var (key, value) in method.Fixed) json[key] = value;
        foreach (var setting in Given(values))
        {
            if (!method.Keys.Contains(setting.Key))
                throw Foreign(method, setting.Key, values.OriginOf(setting));
            if (method.Fixed.Any(f => f.Key == setting.Key && f.Value != values.Switch(setting)))
                throw new UsageException($"The method {method.Name} needs {setting.Key}.", values.OriginOf(setting),
                    "Leave it out, or use --method lora.");
            json[setting.Key] = values.Node(setting)!.DeepClone();
        }
        return method.Type == Bottleneck ? ReadBottleneck(json, values.Text(Shared.Model))
            : ReadPeft(json, method, values.Text(Shared.Model));
    }

    /// <summary>The settings of a method with some exchanged, as a comparison has them.</summary>
    /// <param name="name">The method's name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="changes">Other values, by key.</param>
    /// <param name="where">Where they were given.</param>
    /// <exception cref="UsageException">A key belongs to another method, or a value is impossible.</exception>
    public static AdapterConfig Change(string name, AdapterConfig config, JsonObject changes, string where)
    {
        var method = All.First(m => m.Name == name);
        var json = config.ToJson();
        var target = method.Type == Bottleneck ? (JsonObject)json["config"]! : json;
        foreach (var (key, value) in changes)
        {
            var setting = Keys.FirstOrDefault(s => s.Names.Contains(key.Replace('-', '_')));
            if (setting is null || !method.Keys.Contains(setting.Key)) throw Foreign(method, key, where);
            target[setting.Key] = SettingValue.FromFile(setting, value ?? "null", $"{where} {name}.{key}");
        }
        var model = config.BaseModel ?? "";
        return method.Type == Bottleneck ? ReadBottleneck((JsonObject)target.DeepClone(), model)
            : ReadPeft(json, method, model);
    }

    /// <summary>What a method's settings say, in words: every key that train has for it and that is not off.</summary>
    public static string Describe(string name, AdapterConfig config)
    {
        var method = All.First(m => m.Name == name);
        var json = config.ToJson();
        var all = method.Type == Bottleneck ? (JsonObject)json["config"]! : json;
        return string.Join(", ", method.Keys.Where(k => all[k] is { } v
            && v.ToJsonString() is not ("false" or "[]" or "{}" or "\"none\"")).Select(k =>
            $"{k} {Text(all[k]!)}"));

        static string Text(JsonNode value) => value is JsonArray list
            ? string.Join(' ', list.Select(i => i!.ToString())) : value.ToString();
    }

    private static UsageException Foreign(Method method, string key, string where) =>
        new($"{key} is no setting of the method {method.Name}.", where,
        method.Keys.Length == 0 ? "It has none." : $"It has: {string.Join(", ", method.Keys)}.");

    private static AdapterConfig ReadPeft(JsonObject json, Method method, string model)
    {
        json["peft_type"] = method.Type;
        json["base_model_name_or_path"] = model;
        if (method.Keys.Contains("num_virtual_tokens")) json["num_virtual_tokens"] ??= 20;
        if (json["prompt_tuning_init_text"] is not null)
            (json["prompt_tuning_init"], json["tokenizer_name_or_path"]) = ("TEXT", model);
        return Read(json, AdapterFolder.ReadConfig);
    }

    // The places and the kind of a bottleneck that nobody asks about are those of AdapterHub's "seq_bn" (Pfeiffer).
    private static AdapterConfig ReadBottleneck(JsonObject config, string model)
    {
        config["mh_adapter"] ??= false;
        config["output_adapter"] ??= true;
        config["reduction_factor"] ??= 16;
        config["non_linearity"] ??= "relu";
        config["original_ln_before"] ??= !config["mh_adapter"]!.GetValue<bool>();
        if (config["scaling"] is JsonValue scaling && double.TryParse(scaling.ToString(), out var number))
            config["scaling"] = number;
        return Read(new JsonObject { ["config"] = config, ["name"] = "default" },
            BottleneckConfig.FromJson) with { BaseModel = model };
    }

    private static T Read<T>(JsonObject json, Func<StrictObject, T> read)
    {
        try
        {
            return read(StrictJson.ParseObject(Encoding.UTF8.GetBytes(json.ToJsonString()), "method settings"));
        }
        catch (ModelFormatException e)
        {
            throw new UsageException(e.What, e.Where, e.Remedy, e);
        }
    }
}
