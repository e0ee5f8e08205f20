using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;

namespace PeftNative.Cli.Options;

/// <summary>
/// Turns what a user wrote, as a flag or in a file, into the value of a setting; what does not fit is a usage error.
/// </summary>
internal static partial class SettingValue
{
    /// <summary>Reads the text of a flag.</summary>
    public static JsonNode FromText(Setting setting, string text, string where) => setting.Kind switch
    {
        SettingKind.Switch => Switch(text) ?? throw Wrong(setting, text, where),
        SettingKind.SwitchOrText => Switch(text) ?? JsonValue.Create(text),
        SettingKind.NumberOrText => NumberOrText(text),
        SettingKind.Whole => Whole(setting, text, where),
        SettingKind.Number => Number(setting, text, where),
        SettingKind.Names => ListOf(text, t => JsonValue.Create(t)),
        SettingKind.Wholes => ListOf(text, t => Whole(setting, t, where)),
        SettingKind.NamesOrPattern => NamesOrPattern(text),
        SettingKind.WholesOrMap when text.StartsWith('{') => Map(setting, text, where),
        SettingKind.WholesOrMap => ListOf(text.Trim('[', ']'), t => Whole(setting, t, where)),
        SettingKind.Map => Map(setting, text, where),
        _ => Text(setting, text, where),
    };

    /// <summary>Reads a value of a configuration file.</summary>
    public static JsonNode FromFile(Setting setting, JsonNode node, string where) => (setting.Kind, node) switch
    {
        (SettingKind.Map or SettingKind.WholesOrMap, JsonObject) => node.DeepClone(),
        (SettingKind.Names or SettingKind.NamesOrPattern, JsonArray names) =>
            Items(setting, names, where, SettingKind.Text),
        (SettingKind.Wholes or SettingKind.WholesOrMap, JsonArray numbers) =>
            Items(setting, numbers, where, SettingKind.Whole),
        (_, JsonArray list) when setting.IsRepeatable => Items(setting, list, where, setting.Kind),
        (_, JsonValue value) => FromText(setting, Plain(value), where),
        _ => throw Wrong(setting, node.ToJsonString(), where),
    };

    private static JsonArray Items(Setting setting, JsonArray list, string where, SettingKind kind) =>
        [.. list.Select(item => FromFile(setting with { Kind = kind, IsRepeatable = false }, item ?? "null", where))];

    private static string Plain(JsonValue value) => value.GetValueKind() == JsonValueKind.String
        ? value.GetValue<string>() : value.ToJsonString();

    private static JsonValue? Switch(string text) => text.ToLowerInvariant() switch
    {
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ => null,
    };

    private static JsonValue Text(Setting setting, string text, string where) =>
        setting.Choices.Count == 0 || setting.Choices.Contains(text)
        ? JsonValue.Create(text) : throw new UsageException(
            $"--{setting.Key} knows no '{Message.Clip(text)}'.",
            where, Spelling.Nearest(text, setting.Choices) is { } near
                ? $"Did you mean '{near}'? Known: {string.Join(", ", setting.Choices)}."
                : $"Known: {string.Join(", ", setting.Choices)}.");

    private static JsonValue NumberOrText(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
            ? JsonValue.Create(value) : JsonValue.Create(text);

    private static JsonValue Whole(Setting setting, string text, string where) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
        && InRange(setting, value)
            ? JsonValue.Create(value) : throw Wrong(setting, text, where);

    private static JsonValue Number(Setting setting, string text, string where) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
        && InRange(setting, value)
            ? JsonValue.Create(value) : throw Wrong(setting, text, where);

    private static bool InRange(Setting setting, double value) => !(value < setting.Least) && !(value > setting.Most)
        && !(value >= setting.Below);

    // Names have no characters that mean anything in a regular expression but the dot, and a name with dots is no
    // pattern either.
    private static JsonNode NamesOrPattern(string text) => text switch
    {
        _ when text.StartsWith('[') && IsJson(text, out var node, out _) && node is JsonArray => node,
        _ when text.Equals("all-linear", StringComparison.OrdinalIgnoreCase) => "all-linear",
        _ when NameList().IsMatch(text) => ListOf(text, t => JsonValue.Create(t)),
        _ => JsonValue.Create(text),
    };

    private static JsonArray ListOf(string text, Func<string, JsonNode> item) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(item)];

    private static JsonObject Map(Setting setting, string text, string where)
    {
        if (text.StartsWith('{'))
            return IsJson(text, out var node, out var reason) ? (JsonObject)node!
                : throw Wrong(setting, text, where, reason);
        var result = new JsonObject();
        foreach (var pair in Pairs(text))
        {
            if (pair.Split('=', 2) is not [{ Length: > 0 } key, var value]) throw Wrong(setting, text, where);
            result[key] = double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                ? number : Switch(value) ?? JsonValue.Create(value);
        }
        return result;
    }

    // A comma in quotes, or before something without a name of its own, belongs to the value; quotes around a value are
    // not part of it.
    private static IEnumerable<string> Pairs(string text)
    {
        var pairs = new List<string>();
        foreach (var piece in CommaOutsideQuotes().Split(text))
        {
            if (pairs.Count == 0 || PairStart().IsMatch(piece)) pairs.Add(piece.Trim());
            else pairs[^1] += "," + piece;
        }
        return pairs.Select(pair => pair.Split('=', 2) is [var key, ['"', .. var value, '"']]
            ? $"{key.Trim()}={value}" : pair);
    }

    private static bool IsJson(string text, out JsonNode? node, out string? reason)
    {
        (node, reason) = (null, null);
        try
        {
            node = JsonNode.Parse(StrictJson.Parse(Encoding.UTF8.GetBytes(text)).GetRawText());
        }
        catch (ModelFormatException e)
        {
            reason = e.What;
        }
        return reason is null;
    }

    private static UsageException Wrong(Setting setting, string text, string where, string? reason = null)
    {
        var wanted = setting.Kind switch
        {
            SettingKind.Whole or SettingKind.Wholes => "a whole number" + Range(setting),
            SettingKind.WholesOrMap => """whole numbers such as 5,6, or a JSON object such as {"lm_head": [5, 6]}""",
            SettingKind.Number => "a number" + Range(setting),
            SettingKind.Switch => "true or false",
            SettingKind.Map => """a JSON object such as {"name": 4}, or name=4""",
            _ => "a text",
        };
        var given = $"'{Message.Clip(text)}'{(reason is null ? "." : $": {reason}")}";
        return new UsageException($"--{setting.Key} must be {wanted}, not {given}", where, $"It is: {setting.Help}");
    }

    private static string Range(Setting setting) => (setting.Least, setting.Most, setting.Below) switch
    {
        ({ } least, { } most, _) => FormattableString.Invariant($" from {least} to {most}"),
        ({ } least, _, { } below) => FormattableString.Invariant($" from {least} to less than {below}"),
        ({ } least, _, _) => FormattableString.Invariant($" of at least {least}"),
        (_, { } most, _) => FormattableString.Invariant($" of at most {most}"),
        _ => "",
    };

    [GeneratedRegex(@",(?=(?:[^""]*""[^""]*"")*[^""]*$)")]
    private static partial Regex CommaOutsideQuotes();

    [GeneratedRegex(@"^\s*[^\s={}]+\s*=")]
    private static partial Regex PairStart();

    [GeneratedRegex(@"^[A-Za-z0-9_.\-]+(\s*,\s*[A-Za-z0-9_.\-]+)*\s*,?$")]
    private static partial Regex NameList();
}
