using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Finds the shape of records from the fields they have.</summary>
internal static class ShapeDetector
{
    /// <summary>How many records are looked at.</summary>
    public const int SampleSize = 100;

    /// <summary>The shape that all of the first 100 records have.</summary>
    /// <param name="records">The records; at most <see cref="SampleSize"/> are read.</param>
    /// <param name="columns">Names in the file that differ from the fields' usual ones.</param>
    /// <param name="forPrediction">
    /// Whether records may lack what is to be learned (label, tags, completion, output, target); then it plays no part,
    /// and plain text is <see cref="RecordShape.TextLabel"/>.
    /// </param>
    /// <exception cref="DataException">
    /// A record has no known shape, or another than the records before it; the message shows the first such record.
    /// </exception>
    public static RecordShape Detect(
        IEnumerable<RawRecord> records, ColumnMap? columns = null, bool forPrediction = false)
    {
        columns ??= ColumnMap.Default;
        RawRecord? first = null;
        ShapeFields? shape = null;
        foreach (var record in records.Take(SampleSize))
        {
            var found = ShapeOf(record, columns, forPrediction);
            if (shape is not null && found != shape) throw Differs(record, found, first!, shape);
            (first, shape) = (first ?? record, found);
        }
        return shape?.Shape ?? throw new DataException("There are no records to find a shape in.");
    }

    private static ShapeFields ShapeOf(RawRecord record, ColumnMap columns, bool forPrediction)
    {
        bool Has(string field) => columns.NameIn(record.Fields, field) is not null;
        return Array.Find(ShapeFields.All, s => (forPrediction ? s.Inputs : s.Required).All(Has))
            ?? throw Unknown(record, columns);
    }

    private static DataException Unknown(RawRecord record, ColumnMap columns)
    {
        var names = Names(record.Fields);
        if (columns.AbsentFrom(record.Fields).FirstOrDefault() is { } absent)
        {
            return new DataException($"The record has no field '{absent}', which columns names; it has {names}.",
                record.Origin.ToString(), "Correct the name.");
        }
        return new DataException($"The fields {names} are no known shape.", record.Origin.ToString(),
            $"Known shapes: {string.Join("; ", ShapeFields.All.Select(s => s.ToString()))}. "
                + "Rename the fields, or map them with columns, such as prompt=question.");
    }

    private static DataException Differs(RawRecord record, ShapeFields found, RawRecord first, ShapeFields shape) =>
        new($"This record looks like {found} (it has {Names(record.Fields)}), "
                + $"the ones before it like {shape} (from line {first.Origin.Line}).",
            record.Origin.ToString(), "Give all records the same fields, or name the shape.");

    private static string Names(JsonObject fields) =>
        fields.Count == 0
            ? "(none)"
            : Excerpt.Of(string.Join(", ", fields.Select(f => f.Value is null ? $"{f.Key} (null)" : f.Key)), 200);
}
