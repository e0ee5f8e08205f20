using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;

namespace PeftNative.Cli.Runs;

/// <summary>Writes commands that can be copied.</summary>
internal static class CommandLine
{
    /// <summary>The flags that stand for settings which a user gave, as a shell takes them.</summary>
    public static string Flags(SettingValues values, IEnumerable<Setting> settings) =>
        string.Join(' ', settings.Where(s => values.Has(s) && values.OriginOf(s) != RunSetup.Chosen)
            .SelectMany(s => values.Node(s) is JsonArray list && s.IsRepeatable
                ? list.Select(item => Flag(s, item!)) : [Flag(s, values.Node(s)!)]));

    private static string Flag(Setting setting, JsonNode value) => value switch
    {
        JsonValue v when v.TryGetValue<bool>(out var isOn) => $"--{setting.Key}{(isOn ? "" : " false")}",
        JsonArray list => $"--{setting.Key} {Quote(string.Join(',', list.Select(i => i!.ToString())))}",
        JsonObject map => $"--{setting.Key} {Quote(map.ToJsonString(JsonLines.Options))}",
        _ => $"--{setting.Key} {Quote(value.ToString())}",
    };

    /// <summary>A path as a shell takes it.</summary>
    public static string Quote(string text) =>
        text.All(c => char.IsLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or '\\' or ':' or '+')
        ? text : $"'{text.Replace("'", @"'\''")}'";
}
