using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Cli.Verbs;
using PeftNative.Formats;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PeftNative.Cli.Options;

/// <summary>
/// Reads a configuration file: JSON, or the plain part of YAML (no anchors, no tags; yes, no, on, off and 010 are texts). Keys are those
/// of the flags.
/// </summary>
internal static partial class ConfigFile
{
    /// <summary>Adds what the file says to what the flags said.</summary>
    /// <exception cref="UsageException">The file cannot be read as such, or a key is unknown or has an impossible value.</exception>
    public static void AddTo(SettingValues values, string path, Verb verb)
    {
        var byName = verb.AllSettings.Where(s => !s.IsFlagOnly).SelectMany(s => s.Names.Select(n => (n, s))).ToDictionary(p => p.n, p => p.s);
        var seen = new Dictionary<Setting, string>();
        foreach (var (name, node) in Read(path))
        {
            var where = $"{path}, key '{name}'";
            if (!byName.TryGetValue(name.Replace('-', '_'), out var setting)) throw CommandParser.Unknown(verb, name, where, "key");
            if (!seen.TryAdd(setting, name))
                throw new UsageException($"'{name}' and '{seen[setting]}' are the same setting.", where, "Keep one of them.");
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
                : ReadYaml(text, path);
        }
        catch (ModelFormatException e)
        {
            throw new UsageException(e.What, e.Where, e.Remedy, e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UsageException("There is no such configuration file.", path, "Check the path behind --config.", e);
        }
    }

    private static JsonObject ReadYaml(string text, string path)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            if (stream.Documents.Count == 0) return [];
            if (stream.Documents.Count > 1) throw Refuse("more than one document", path, stream.Documents[1].RootNode);
            return Convert(stream.Documents[0].RootNode, path) as JsonObject
                ?? throw new UsageException("The configuration must be keys with values.", path, "Write lines such as 'model: my-model'.");
        }
        catch (YamlException e)
        {
            throw new UsageException($"The configuration is not valid YAML: {e.InnerException?.Message ?? e.Message}",
                $"{path}:{e.Start.Line}", "Correct the line; texts with special characters belong in quotes.", e);
        }
    }

    private static JsonNode? Convert(YamlNode node, string path)
    {
        if (!node.Anchor.IsEmpty) throw Refuse("an anchor", path, node);
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific) throw Refuse("a tag", path, node);
        switch (node)
        {
            case YamlScalarNode scalar:
                return Scalar(scalar);
            case YamlSequenceNode list:
                return new JsonArray([.. list.Children.Select(c => Convert(c, path))]);
            case YamlMappingNode map:
                var result = new JsonObject();
                foreach (var (key, value) in map.Children)
                    result[key is YamlScalarNode k ? k.Value! : throw Refuse("a key that is no text", path, key)] = Convert(value, path);
                return result;
            default:
                throw Refuse("an alias", path, node);
        }
    }

    private static JsonNode? Scalar(YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Style is not ScalarStyle.Plain) return JsonValue.Create(text);
        return text switch
        {
            "" or "~" or "null" => null,
            "true" => true,
            "false" => false,
            _ when WholeNumber().IsMatch(text) && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
            _ when RealNumber().IsMatch(text) => double.Parse(text, CultureInfo.InvariantCulture),
            _ => text,
        };
    }

    private static UsageException Refuse(string what, string path, YamlNode node) =>
        new($"The configuration uses {what}, which is not read.", $"{path}:{node.Start.Line}", "Write the value out plainly.");

    [GeneratedRegex(@"^[-+]?(0|[1-9][0-9]*)$")]
    private static partial Regex WholeNumber();

    [GeneratedRegex(@"^[-+]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]+)?(?<=[0-9])$")]
    private static partial Regex RealNumber();
}
