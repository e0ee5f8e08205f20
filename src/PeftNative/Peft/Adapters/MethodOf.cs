using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Models;

namespace PeftNative.Peft.Adapters;

/// <summary>A method with settings of its own kind, whose files are PEFT's: what its page is made of.</summary>
internal class Method<TConfig>(string name, string peftType, string title)
    : Method(name, peftType, title, new TConfig()) where TConfig : AdapterConfig, new()
{
    // What every file has, or may have where a method does not say more of it.
    private protected static readonly string[] Common =
    [
        "auto_mapping", "base_model_name_or_path", "inference_mode", "modules_to_save", "peft_type", "peft_version",
        "revision", "runtime_config", "task_type",
    ];

    /// <inheritdoc cref="Method.Keys"/>
    internal new required IReadOnlyList<ConfigKey<TConfig>> Keys { get; init; }

    /// <summary>Makes an adapter from complete settings.</summary>
    internal required Func<TransformerModel, TConfig, AdapterStart, Adapter> Create { get; init; }

    /// <summary>Settings with what follows from those that were given; the question is whether a key is open.</summary>
    internal Func<TConfig, Func<string, bool>, TConfig> Implied { get; init; } = (config, _) => config;

    private protected override IReadOnlyList<ConfigKey> KeysOfPage => Keys;

    /// <inheritdoc/>
    public override AdapterConfig Read(StrictObject json)
    {
        foreach (var key in Keys) key.CheckOff(json, PeftType);
        return Read(new TConfig(), json, isFile: true) with
        {
            BaseModel = json.GetOptionalString("base_model_name_or_path"),
            Revision = json.GetOptionalString("revision"),
            TaskType = json.GetOptionalString("task_type"),
            IgnoredKeys = Unknown(json.Keys, Common),
        };
    }

    /// <inheritdoc/>
    public override JsonObject Write(AdapterConfig config)
    {
        var json = Written((TConfig)config);
        (json["auto_mapping"], json["inference_mode"]) = (null, true);
        (json["peft_type"], json["peft_version"]) = (PeftType, AdapterConfig.FormatVersion);
        (json["base_model_name_or_path"], json["revision"]) = (config.BaseModel, config.Revision);
        json["task_type"] = config.TaskType;
        return json;
    }

    /// <inheritdoc/>
    public override AdapterConfig FromSettings(JsonObject given, string? baseModel) =>
        Take(new TConfig() with { BaseModel = baseModel }, given, key => !given.ContainsKey(key));

    /// <inheritdoc/>
    public override AdapterConfig Change(AdapterConfig config, JsonObject given) =>
        Take((TConfig)config, given, _ => false);

    /// <inheritdoc/>
    public override JsonObject Settings(AdapterConfig config) => new(Keys.Where(k => k.IsAsked)
        .Select(k => KeyValuePair.Create(k.Name, k.Write!((TConfig)config))));

    /// <inheritdoc/>
    internal override Adapter NewAdapter(TransformerModel model, AdapterConfig config, AdapterStart start)
    {
        if (Obstacle(model) is { } obstacle) throw new UsageException(obstacle, remedy: "Use another method.");
        foreach (var key in Keys) key.Check((TConfig)config);
        return Create(model, (TConfig)config.Complete(model), start);
    }

    /// <summary>Settings with the values of a file.</summary>
    protected TConfig Read(TConfig config, StrictObject json, bool isFile)
    {
        foreach (var key in Keys)
            if (json.Has(key.Name) || (isFile && key.IsRequired)) config = key.Read?.Invoke(json, config) ?? config;
        return config;
    }

    /// <summary>The names in a file that are neither keys of the method nor among others.</summary>
    protected IReadOnlyList<string> Unknown(IEnumerable<string> names, IEnumerable<string> others)
    {
        List<string> unknown = [.. names.Except([.. Keys.Select(k => k.Name), .. others])];
        return unknown.Count > 0 ? unknown : []; // settings without any are equal
    }

    /// <summary>The values of all keys that are written.</summary>
    protected JsonObject Written(TConfig config) => new(Keys.Where(k => k.Write is not null)
        .Select(k => KeyValuePair.Create(k.Name, k.Write!(config))));

    private TConfig Take(TConfig config, JsonObject given, Func<string, bool> isOpen)
    {
        try
        {
            var json = StrictJson.ParseObject(Encoding.UTF8.GetBytes(given.ToJsonString()), "method settings");
            return Implied(Read(config, json, isFile: false), isOpen);
        }
        catch (ModelFormatException e)
        {
            throw new UsageException(e.What, e.Where, e.Remedy, e);
        }
    }
}
