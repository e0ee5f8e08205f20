using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// Makes the keys of a method from the properties of its settings: each is spelled once, with how it is read, written
/// and described.
/// </summary>
[SuppressMessage("Performance", "CA1822", Justification = "A page says its kind of settings once, in its Key.")]
internal sealed class KeysOf<TConfig> where TConfig : AdapterConfig
{
    internal ConfigKey<TConfig> Switch(string name, Func<TConfig, bool> get, Func<TConfig, bool, TConfig> set,
        string help) =>
        Of(name, KeyKind.Switch, help, json => json.GetBool(name), set, c => get(c));

    internal ConfigKey<TConfig> Text(string name, Func<TConfig, string?> get, Func<TConfig, string, TConfig> set,
        string help) =>
        Of(name, KeyKind.Text, help, json => json.GetString(name), set, c => get(c));

    internal ConfigKey<TConfig> Whole(string name, Func<TConfig, int?> get, Func<TConfig, int, TConfig> set,
        string help) =>
        Of(name, KeyKind.Whole, help, json => json.GetInt(name), set, c => get(c)) with
        {
            Numbers = c => get(c) is { } value ? [value] : [],
        };

    internal ConfigKey<TConfig> Number(string name, Func<TConfig, double> get, Func<TConfig, double, TConfig> set,
        string help) =>
        Of(name, KeyKind.Number, help, json => json.GetDouble(name), set, c => get(c)) with { Numbers = c => [get(c)] };

    internal ConfigKey<TConfig> Wholes(string name, Func<TConfig, IReadOnlyList<int>?> get,
        Func<TConfig, IReadOnlyList<int>, TConfig> set, string help) =>
        Of(name, KeyKind.Wholes, help, json => json.GetIntList(name), set, c => ConfigKey.List(get(c)));

    /// <summary>Names or ends of names of modules, or a regular expression.</summary>
    internal ConfigKey<TConfig> Modules(string name, Func<TConfig, TargetModules?> get,
        Func<TConfig, TargetModules, TConfig> set, string help) =>
        Of(name, KeyKind.NamesOrPattern, help, json => TargetModules.Read(json, name)!, set, c => get(c)?.ToJson());

    /// <summary>One of some words.</summary>
    internal ConfigKey<TConfig> Choice<TValue>(string name, Func<TConfig, TValue> get,
        Func<TConfig, TValue, TConfig> set, string help, params (string Word, TValue Value)[] words)
        where TValue : struct, Enum =>
        Of(name, KeyKind.Text, help, json => Chosen(json, name, words), set,
            c => words.First(w => w.Value.Equals(get(c))).Word) with { Choices = [.. words.Select(w => w.Word)] };

    /// <summary>target_modules, what a method is put on.</summary>
    internal ConfigKey<TConfig> Targets(Func<TConfig, TargetModules?> get, Func<TConfig, TargetModules, TConfig> set) =>
        Modules("target_modules", get, set,
            "Modules to adapt: ends of names, a regular expression, or all-linear.")
            with { IsGeneral = true, Aliases = ["lora_target", "lora_target_modules"] };

    /// <summary>exclude_modules.</summary>
    internal ConfigKey<TConfig> Exclude(Func<TConfig, TargetModules?> get, Func<TConfig, TargetModules, TConfig> set) =>
        Modules("exclude_modules", get, set, "Modules not to adapt.") with { IsGeneral = true };

    /// <summary>fan_in_fan_out: whether the weights are stored [in, out]; follows from the model.</summary>
    internal ConfigKey<TConfig> FanInFanOut(Func<TConfig, bool> get, Func<TConfig, bool, TConfig> set) =>
        Switch("fan_in_fan_out", get, set, "") with { IsAsked = false };

    /// <summary>modules_to_save; names that are there twice (older PEFT wrote them) count once.</summary>
    internal ConfigKey<TConfig> ModulesToSave() =>
        Of("modules_to_save", KeyKind.Names, "Modules trained whole; a classifier's head is added by itself.",
            json => json.GetStringList("modules_to_save"),
            (c, v) => c with { ModulesToSave = [.. v.Distinct()] },
            c => ConfigKey.List(c.ModulesToSave)) with { IsGeneral = true };

    /// <summary>A key with a value of its own kind.</summary>
    internal ConfigKey<TConfig> Of<TValue>(string name, KeyKind kind, string help, Func<StrictObject, TValue> read,
        Func<TConfig, TValue, TConfig> set, Func<TConfig, JsonNode?> write) =>
        new(name, kind, help) { Read = (json, config) => set(config, read(json)), Write = write };

    /// <summary>A key that is written as the model makes it, whatever a file says.</summary>
    internal ConfigKey<TConfig> FromModel(string name, Func<TConfig, JsonNode?> write) =>
        new(name, KeyKind.Text, "") { IsAsked = false, Write = write };

    /// <summary>A key of PEFT's that is written with one value, and whose value in a file says nothing.</summary>
    internal ConfigKey<TConfig> Ignored(string name, string value = "null") =>
        FromModel(name, _ => JsonNode.Parse(value));

    /// <summary>A key of PEFT's that is not supported: written as off, and refused where it is on.</summary>
    internal ConfigKey<TConfig> Unused(string name, string off = "null") => Ignored(name, off) with { Off = off };

    /// <summary>A key of another release: refused where it is on, and not written.</summary>
    internal ConfigKey<TConfig> OfOtherRelease(string name) => Unused(name) with { Write = null };

    private static TValue Chosen<TValue>(StrictObject json, string name, (string Word, TValue Value)[] words)
    {
        var word = json.GetString(name);
        var known = words.Select(w => w.Word).ToList();
        return known.IndexOf(word) is >= 0 and var i ? words[i].Value
            : throw json.Error(name, $"'{Message.Clip(word)}' is not a value of {name}.",
                $"Use {string.Join(", ", known[..^1])} or {known[^1]}.");
    }
}
