using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Labels of which each has a column of its own, with 0 or 1 for every record (several may apply).</summary>
internal static class LabelColumns
{
    /// <summary>The names of the columns that hold 1, as a list.</summary>
    /// <exception cref="DataException">A column is missing or holds something else.</exception>
    public static JsonArray Of(RawRecord record, IReadOnlyList<string> columns) =>
        [.. columns.Where(column => Applies(record, column)).Select(column => (JsonNode)column)];

    /// <summary>The columns of a record that could be such labels: they hold nothing but 0 or 1.</summary>
    public static IReadOnlyList<string> Candidates(JsonObject fields) =>
        [.. fields.Where(f => Truth(f.Value) is 0 or 1).Select(f => f.Key)];

    private static bool Applies(RawRecord record, string column)
    {
        if (!record.Fields.TryGetPropertyValue(column, out var value))
            throw new DataException($"The record has no column '{column}', which label_columns names; it has "
                + $"{Excerpt.Of(string.Join(", ", record.Fields.Select(f => f.Key)), 200)}.", record.Origin.ToString(),
                "Correct the name.");
        return Truth(value) is >= 0 and <= 1 and var truth ? truth >= 0.5 : throw new DataException(
            $"The column '{column}' must hold 0 or 1, not {Excerpt.Of(value?.ToJsonString() ?? "null")}.",
            record.Origin.ToString(), "Correct the record, or leave the column out of label_columns.");
    }

    private static double? Truth(JsonNode? node) => node is not JsonValue value ? null
        : value.TryGetValue<bool>(out var truth) ? truth ? 1 : 0
        : value.TryGetValue<long>(out var whole) ? whole
        : value.TryGetValue<double>(out var real) ? real
        : value.TryGetValue<string>(out var text) ? text.ToLowerInvariant() switch
        {
            "true" or "yes" => 1,
            "false" or "no" => 0,
            _ => double.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : null,
        } : null;
}
