using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>
/// Gives raw records the fields that their shape asks for, from what stands in them otherwise: columns that are paths
/// or templates, labels that have a column each, and entities as spans. Safe to use from several threads.
/// </summary>
internal sealed class RecordPreparation(RecordOptions options)
{
    private readonly (string Column, FieldExpression Expression)[] _expressions =
        [.. options.Columns.Names.Select(name => (name, FieldExpression.Of(name))).Where(e => e.Item2 is not null)
            .Select(e => (e.name, e.Item2!))];

    private volatile bool _makesWords;

    /// <summary>Whether something is made of a name of the file that is no field itself.</summary>
    public bool Uses(string name) => _makesWords && (name is "text" or "entities" or "spans")
        || _expressions.Any(e => e.Expression.Reads(name));

    /// <summary>The same for all records; those that make no sense are listed, or thrown without a list.</summary>
    public IEnumerable<RawRecord> Prepare(IEnumerable<RawRecord> records, ICollection<DataException>? bad)
    {
        foreach (var record in records)
        {
            RawRecord prepared;
            try
            {
                prepared = Prepare(record);
            }
            catch (DataException e) when (bad is not null)
            {
                bad.Add(e);
                continue;
            }
            yield return prepared;
        }
    }

    /// <summary>The record with all of its fields.</summary>
    /// <exception cref="DataException">What stands in the record makes no sense.</exception>
    public RawRecord Prepare(RawRecord record)
    {
        var fields = record.Fields;
        foreach (var (column, expression) in _expressions)
        {
            if (!fields.ContainsKey(column) && expression.In(fields) is { } value) fields[column] = value.DeepClone();
        }
        Modalities.Check(record);
        if (options.LabelColumns.Count > 0)
        {
            var labels = LabelColumns.Of(record, options.LabelColumns);
            foreach (var column in options.LabelColumns) fields.Remove(column);
            fields["label"] = labels;
            return record with { IsDelimited = false };
        }
        if (EntitySpans.Of(fields) is not { } entities) return record;
        _makesWords = true;
        (fields["tokens"], fields["tags"]) = EntitySpans.ToWords((string)fields["text"]!, entities, record.Origin);
        return record;
    }
}
