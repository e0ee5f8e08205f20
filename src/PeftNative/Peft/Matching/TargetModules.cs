using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;

namespace PeftNative.Peft.Matching;

/// <summary>
/// target_modules as PEFT has it: a list of names or ends of names, or a regular expression for the whole name, or
/// "all-linear".
/// </summary>
/// <param name="Names">The list, or null.</param>
/// <param name="Pattern">The regular expression, or null.</param>
public sealed record TargetModules(IReadOnlyList<string>? Names, string? Pattern)
{
    /// <summary>Whether every linear layer but the output is meant.</summary>
    public bool IsAllLinear => string.Equals(Pattern, "all-linear", StringComparison.OrdinalIgnoreCase);

    /// <summary>A list of names.</summary>
    public static TargetModules Of(params IReadOnlyList<string> names) => new(names, null);

    /// <summary>The value of a key: a list, a text, or null.</summary>
    internal static TargetModules? Read(StrictObject json, string key)
    {
        if (!json.Has(key)) return null;
        return json.Element.GetProperty(key).ValueKind == JsonValueKind.String
            ? new TargetModules(null, json.GetString(key))
            : new TargetModules(json.GetStringList(key), null);
    }

    /// <summary>The value for a file; lists in order, because they are sets.</summary>
    internal JsonNode? ToJson() => Names is { } names
        ? new JsonArray([.. names.Order(StringComparer.Ordinal).Select(n => (JsonNode)JsonValue.Create(n))])
        : JsonValue.Create(Pattern);
}
