using System.Text.Json.Nodes;

namespace PeftNative.Data.Records;

/// <summary>
/// Which name in the file stands for which field: by default the field's own name or one of its accepted names; a field
/// given here is looked for under the given name only. Immutable.
/// </summary>
public sealed class ColumnMap
{
    private readonly IReadOnlyDictionary<string, string> _columns;

    /// <summary>The map in which every field has its usual names.</summary>
    public static ColumnMap Default { get; } = new(new Dictionary<string, string>());

    /// <summary>Takes the names of the file by field, such as <c>{ ["prompt"] = "question" }</c>.</summary>
    /// <exception cref="UsageException">A key is not a field of any shape.</exception>
    public ColumnMap(IReadOnlyDictionary<string, string> columns)
    {
        foreach (var field in columns.Keys.Except(ShapeFields.Fields))
        {
            throw new UsageException($"columns: there is no field '{field}'.", null,
                $"Fields: {string.Join(", ", ShapeFields.Fields)}. Write field=name in the file.");
        }
        _columns = columns;
    }

    /// <summary>
    /// The name under which the record has the field, upper and lower case aside; null where it lacks it or has null
    /// there.
    /// </summary>
    internal string? NameIn(JsonObject fields, string field)
    {
        if (_columns.TryGetValue(field, out var mapped))
            return fields[mapped] is null || IsTakenByAnother(field, mapped) ? null : mapped;
        foreach (var name in ShapeFields.NamesOf(field))
        {
            var found = fields.ContainsKey(name) ? name
                : fields.Select(f => f.Key).FirstOrDefault(k => k.Equals(name, StringComparison.OrdinalIgnoreCase));
            // A name that stands for another field now is not free for this one.
            if (found is not null && fields[found] is not null && !IsTakenByAnother(field, found)) return found;
        }
        return null;
    }

    /// <summary>The given names.</summary>
    internal IEnumerable<string> Names => _columns.Values;

    /// <summary>Whether every given name is a number: that of a column in a file without a header.</summary>
    internal bool AreNumbers => _columns.Count > 0 && _columns.Values.All(name => int.TryParse(name, out _));

    /// <summary>The names in the record of a shape's fields, by field; fields that it lacks are left out.</summary>
    internal IEnumerable<(string Field, string Name)> NamesIn(JsonObject fields, ShapeFields shape) =>
        shape.Required.Concat(shape.Optional).Append(ShapeFields.Adapter)
            .Select(field => (field, NameIn(fields, field)!)).Where(found => found.Item2 is not null);

    /// <summary>Given names that a record does not have.</summary>
    internal IEnumerable<string> AbsentFrom(JsonObject fields) =>
        _columns.Values.Where(name => !fields.ContainsKey(name));

    private bool IsTakenByAnother(string field, string name) => _columns.Any(c => c.Value == name && c.Key != field);
}
