using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Cli.Output;

namespace PeftNative.Cli.Options;

/// <summary>
/// Writes settings as the YAML that <see cref="ConfigFile"/> reads; lists and texts with special characters as JSON,
/// which YAML includes.
/// </summary>
internal static class ConfigWriter
{
    /// <summary>The text of all settings that have a value, defaults included.</summary>
    public static string Write(SettingValues values, IEnumerable<Setting> settings)
    {
        var text = new StringBuilder();
        foreach (var setting in settings.Where(s => !s.IsFlagOnly))
            if (values.Node(setting) is { } node)
                text.Append(setting.Key).Append(": ").Append(Value(node)).Append('\n');
        return text.ToString();
    }

    private static string Value(JsonNode node) =>
        node is JsonValue value && value.TryGetValue<string>(out var text) && IsPlain(text)
        ? text : node.ToJsonString(JsonLines.Options);

    // A text stays bare only where nothing in it could mean something to YAML.
    private static bool IsPlain(string text) => text.Length > 0 && char.IsAsciiLetter(text[0]) || text.StartsWith('/')
        || text.StartsWith("./", StringComparison.Ordinal)
        ? text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/' )
        && text is not ("true" or "false" or "null") : false;
}
