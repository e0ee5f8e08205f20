using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>What a person could write behind --columns for a record of no known shape.</summary>
internal static class ColumnAdvice
{
    // Names of what is no part of a text.
    private static readonly string[] Beside =
        ["id", "_id", "title", "url", "lang", "language", "source", "date", "split"];

    /// <summary>A mapping that would work where the fields suggest one, otherwise how mappings look.</summary>
    public static string For(RawRecord record)
    {
        if (record.IsDelimited)
            return "Where the file has no header line, name its columns by number: --columns text=1,label=2. "
                + "Otherwise map the names: --columns text=review,label=stars.";
        var nested = record.Fields.SelectMany(f => Paths(f.Key, f.Value)).ToList();
        var plain = record.Fields.Where(f => IsText(f.Value) && !IsBeside(f.Key)).Select(f => f.Key).ToList();
        return (plain, nested) switch
        {
            ([], [var source, var target, ..]) => $"Map them: --columns source={source},target={target} "
                + $"(or prompt={source},completion={target}).",
            ([var one], [var answer, ..]) => $"Map them: --columns prompt={one},completion={answer}.",
            ([_, _, ..], [var answer, ..]) => "Map them, as a template and a path: --columns '"
                + $"prompt=\"{string.Join("\\n\\n", plain.Take(3).Select(name => $"{{{name}}}"))}\","
                + $"completion={answer}'.",
            _ => "Rename the fields, or map them with --columns, such as prompt=question.",
        };
    }

    private static bool IsBeside(string name) => Beside.Contains(name.ToLowerInvariant())
        || name.EndsWith("_id", StringComparison.OrdinalIgnoreCase);

    // Paths to the texts within a value, of a list to its first.
    private static IEnumerable<string> Paths(string path, JsonNode? value) => value switch
    {
        JsonObject fields => fields.SelectMany(f => f.Value is JsonValue
            ? IsText(f.Value) ? [$"{path}.{f.Key}"] : [] : Paths($"{path}.{f.Key}", f.Value)),
        JsonArray { Count: > 0 } list => IsText(list[0]) ? [path + "[0]"] : Paths(path + "[0]", list[0]),
        _ => [],
    };

    private static bool IsText(JsonNode? value) => value.AsText() is not null;
}
