using System.Text.Json.Nodes;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;

namespace PeftNative.Cli.Options;

/// <summary>
/// --method and the settings of the methods, as their pages have them: keys are spelled as in PEFT's
/// adapter_config.json, those of bottlenecks as AdapterHub spells them.
/// </summary>
internal static class MethodSettings
{
    private static readonly string Baselines =
        string.Join(", ", Methods.All.Where(m => m.IsBaseline).Select(m => m.Name));

    public static readonly Setting Name = new("method", SettingKind.Text,
        $"How the model is adapted; {Baselines} train parts of it, or all.")
    {
        Default = "lora", Choices = [.. Methods.All.SelectMany(m => m.Names)], Group = "What",
    };

    /// <summary>The keys of all methods, each once.</summary>
    public static readonly Setting[] Keys =
    [
        .. Methods.All.SelectMany(m => m.AskedKeys, (method, key) => new Use(method, key)).GroupBy(u => u.Key.Name)
            .Select(uses => ToSetting([.. uses])),
    ];

    /// <summary>The method asked for.</summary>
    public static Method Of(SettingValues values) => Methods.Find(values.Text(Name));

    /// <summary>The keys of a method that the user has set.</summary>
    public static IEnumerable<Setting> Given(SettingValues values) => Keys.Where(values.Has);

    /// <summary>The settings of the adapter asked for.</summary>
    /// <exception cref="UsageException">A key belongs to another method, or a value is impossible.</exception>
    public static AdapterConfig Config(SettingValues values)
    {
        var (name, method) = (values.Text(Name), Of(values));
        var preset = method.Presets.FirstOrDefault(p => p.Name == name)?.Settings ?? [];
        var given = (JsonObject)preset.DeepClone();
        foreach (var setting in Given(values))
        {
            var value = values.Node(setting);
            if (!Has(method, setting)) throw Foreign(name, method, setting.Key, values.OriginOf(setting));
            if (preset.TryGetPropertyValue(setting.Key, out var needed) && !JsonNode.DeepEquals(needed, value))
                throw new UsageException($"The method {name} needs {setting.Key}.", values.OriginOf(setting),
                    $"Leave it out, or use --method {method.Name}.");
            given[setting.Key] = value!.DeepClone();
        }
        return method.FromSettings(given, values.Text(Shared.Model));
    }

    /// <summary>Holds what a user gave against an adapter that is trained further, which has its settings.</summary>
    /// <exception cref="UsageException">The method or one of the settings is another.</exception>
    public static void RequireSame(SettingValues values, AdapterConfig config, string folder)
    {
        var own = config.Method.Settings(config);
        var preset = Of(values).Presets.FirstOrDefault(p => p.Name == values.Text(Name))?.Settings ?? [];
        if (values.Has(Name)
            && (Of(values) != config.Method || preset.Any(s => !JsonNode.DeepEquals(own[s.Key], s.Value))))
            throw Other(Name.Key, values.Text(Name), config.Method.Name);
        foreach (var setting in Given(values))
        {
            if (!Has(config.Method, setting))
                throw Foreign(config.Method.Name, config.Method, setting.Key, values.OriginOf(setting));
            var asked = config.Method.Settings(
                config.Method.Change(config, new() { [setting.Key] = values.Node(setting)!.DeepClone() }));
            if (Text(asked[setting.Key]) != Text(own[setting.Key]))
                throw Other(setting.Key, Text(asked[setting.Key]), Text(own[setting.Key]));
        }

        UsageException Other(string key, string given, string has) =>
            new($"{key} {given} contradicts the adapter {folder}, which has {key} {has}.", $"--{key}",
                "Leave it out, or train a new adapter without --adapter.");

        // The order of a list says nothing.
        static string Text(JsonNode? node) => node is JsonArray list
            ? string.Join(' ', list.Select(i => i!.ToString()).Order(StringComparer.Ordinal))
            : node is null or JsonObject { Count: 0 } ? "none" : node.ToString();
    }

    /// <summary>The settings of a method with some exchanged, as a comparison has them.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="changes">Other values, by key.</param>
    /// <param name="where">Where they were given.</param>
    /// <exception cref="UsageException">A key belongs to another method, or a value is impossible.</exception>
    public static AdapterConfig Change(AdapterConfig config, JsonObject changes, string where)
    {
        var (method, given) = (config.Method, new JsonObject());
        foreach (var (key, value) in changes)
        {
            var setting = Keys.FirstOrDefault(s => s.Names.Contains(key.Replace('-', '_')));
            if (setting is null || !Has(method, setting)) throw Foreign(method.Name, method, key, where);
            given[setting.Key] = SettingValue.FromFile(setting, value ?? "null", $"{where} {method.Name}.{key}");
        }
        return method.Change(config, given);
    }

    /// <summary>What settings say, in words: every key that train has for them and that is not off.</summary>
    public static string Describe(AdapterConfig config)
    {
        return string.Join(", ", config.Method.Settings(config)
            .Where(s => s.Value is { } v && v.ToJsonString() is not ("false" or "[]" or "{}" or "\"none\""))
            .Select(s => $"{s.Key} {Text(s.Value!)}"));

        static string Text(JsonNode value) =>
            value is JsonArray list ? string.Join(' ', list.Select(i => i!.ToString())) : value.ToString();
    }

    private static bool Has(Method method, Setting setting) => method.AskedKeys.Any(k => k.Name == setting.Key);

    private static UsageException Foreign(string name, Method method, string key, string where)
    {
        List<string> keys = [.. method.AskedKeys.Select(k => k.Name)];
        return new($"{key} is no setting of the method {name}.", where,
            keys.Count == 0 ? "It has none." : $"It has: {string.Join(", ", keys)}.");
    }

    // Methods may share a key; the words it may be are then those of all of them, and each looks at its own.
    private static Setting ToSetting(List<Use> uses)
    {
        var key = uses[0].Key;
        return new Setting(key.Name, key.Kind, Help(uses))
        {
            Group = "Method, spelled as in adapter_config.json",
            Aliases = [.. uses.SelectMany(u => u.Key.Aliases).Distinct()], ValueName = key.ValueName,
            Choices = uses.All(u => u.Key.Choices.Count > 0) ? [.. uses.SelectMany(u => u.Key.Choices).Distinct()] : [],
            Least = key.Least, Most = key.Most, Below = key.Below,
        };
    }

    // "LoRA: rank." or "Prefix, prompt: virtual tokens."
    private static string Help(List<Use> uses)
    {
        if (uses[0].Key.IsGeneral) return uses[0].Key.Help;
        var parts = uses.GroupBy(u => u.Key.Help).Select(same =>
            $"{string.Join(", ", same.Select(u => u == uses[0] ? u.Method.Title : u.Method.Name))}: "
                + $"{char.ToLowerInvariant(same.Key[0])}{same.Key[1..^1]}");
        return $"{string.Join("; ", parts)}.";
    }

    private sealed record Use(Method Method, ConfigKey Key);
}
