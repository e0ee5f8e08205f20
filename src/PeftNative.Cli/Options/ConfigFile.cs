using System.Text.Json.Nodes;
using PeftNative.Formats.Json;

namespace PeftNative.Cli.Options;

/// <summary>
/// Reads a configuration file: JSON, or the plain part of YAML (no anchors, no tags; yes, no, on, off and 010 are
/// texts). Keys are those of the flags.
/// </summary>
internal static class ConfigFile
{
    /// <summary>Adds what the file says to what the flags said.</summary>
    /// <exception cref="UsageException">The file cannot be read as such, or a key is unknown or has an impossible
    /// value.</exception>
    public static void AddTo(SettingValues values, string path, Verb verb)
    {
        var byName = verb.AllSettings.Where(s => !s.IsFlagOnly).SelectMany(s => s.Names.Select(n => (n, s)))
            .ToDictionary(p => p.n, p => p.s);
        var seen = new Dictionary<Setting, string>();
        foreach (var (name, node) in Read(path))
        {
            var where = $"{path}, key '{name}'";
            if (!byName.TryGetValue(name.Replace('-', '_'), out var setting))
                throw CommandParser.Unknown(verb, name, where, "key");
            if (!seen.TryAdd(setting, name))
                throw new UsageException($"'{name}' and '{seen[setting]}' are the same setting.", where,
                    "Keep one of them.");
            if (node is not null) values.Add(setting, SettingValue.FromFile(setting, node, where), where);
        }
    }

    /// <summary>The keys and values of a file.</summary>
    public static JsonObject Read(string path)
    {
        try
        {
            var text = File.ReadAllText(path);
            return Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase)
                ? JsonObject.Create(StrictJson.ParseObject(System.Text.Encoding.UTF8.GetBytes(text), path).Element)!
                : new YamlReader(path).Read(text);
        }
        catch (ModelFormatException e)
        {
            throw new UsageException(e.What, e.Where, e.Remedy, e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UsageException("There is no such configuration file.", path,
                "Check the path behind --config.", e);
        }
    }
}
