using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Finds the shape of records from the fields they have.</summary>
internal static class ShapeDetector
{
    /// <summary>How many records are looked at.</summary>
    public const int SampleSize = 100;

    /// <summary>The shape that all of the first 100 records have, those left aside that have none.</summary>
    /// <param name="records">The records; at most <see cref="SampleSize"/> are read.</param>
    /// <param name="columns">Names in the file that differ from the fields' usual ones.</param>
    /// <param name="forPrediction">
    /// Whether records may lack what is to be learned (label, tags, completion, output, target); then it plays no part,
    /// and plain text is <see cref="RecordShape.TextLabel"/>.
    /// </param>
    /// <exception cref="DataException">
    /// No record has a known shape, or one has another than the records before it; the message shows the first such
    /// record.
    /// </exception>
    public static RecordShape Detect(
        IEnumerable<RawRecord> records, ColumnMap? columns = null, bool forPrediction = false)
    {
        columns ??= ColumnMap.Default;
        RawRecord? first = null, unknown = null;
        ShapeFields? shape = null;
        foreach (var record in records.Take(SampleSize))
        {
            if (ShapeOf(record, columns, forPrediction) is not { } found)
            {
                unknown ??= record;
                continue;
            }
            if (shape is not null && found != shape) throw Differs(record, found, first!, shape);
            (first, shape) = (first ?? record, found);
        }
        // A record that only lacks something is named when its turn comes.
        return shape?.Shape ?? throw (unknown is null
            ? new DataException("There are no records to find a shape in.") : Unknown(unknown, columns));
    }

    private static ShapeFields? ShapeOf(RawRecord record, ColumnMap columns, bool forPrediction)
    {
        return Array.Find(ShapeFields.All, s => (!forPrediction || s.Shape != RecordShape.UnpairedPreference)
                && (forPrediction ? s.Inputs : s.Required).All(field => Has(s, field)));

        // Beside two single answers, messages are what both answer.
        bool Has(ShapeFields shape, string field) => (shape.Shape != RecordShape.Messages
                || record.Fields["chosen"] is not JsonObject) && columns.NameIn(record.Fields, field) is { } name
            && shape.Takes(field, record.Fields[name]!);
    }

    private static DataException Unknown(RawRecord record, ColumnMap columns)
    {
        var names = Names(record.Fields);
        if (columns.AbsentFrom(record.Fields).FirstOrDefault() is { } absent)
        {
            return new DataException($"The record has no field '{absent}', which columns names; it has {names}.",
                record.Origin.ToString(), "Correct the name.");
        }
        if (record.Fields.FirstOrDefault(f => IsDialogue(f.Value)).Key is { } turns)
            return new DataException($"'{turns}' is a list of texts, which do not say who speaks.",
                record.Origin.ToString(), $"Where they are turns of user and assistant, by turns: --alternate_turns"
                    + (ShapeFields.NamesOf("messages").Contains(turns) ? "." : $" --columns messages={turns}."));
        return new DataException($"The fields {names} are no known shape.", record.Origin.ToString(),
            $"Known shapes: {string.Join("; ", ShapeFields.All.Select(s => s.ToString()))}. "
                + ColumnAdvice.For(record));
    }

    private static bool IsDialogue(JsonNode? value) =>
        value is JsonArray { Count: > 1 } texts && texts.All(t => t.AsText() is not null);

    private static DataException Differs(RawRecord record, ShapeFields found, RawRecord first, ShapeFields shape) =>
        new($"This record looks like {found} (it has {Names(record.Fields)}), "
                + $"the ones before it like {shape} (from line {first.Origin.Line}).",
            record.Origin.ToString(), "Give all records the same fields, or name the shape.");

    private static string Names(JsonObject fields) =>
        fields.Count == 0
            ? "(none)"
            : Excerpt.Of(string.Join(", ", fields.Select(f => f.Value is null ? $"{f.Key} (null)" : f.Key)), 200);
}
