using System.Globalization;
using System.Text.Json.Nodes;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace PeftNative.Columnar;

/// <summary>
/// Puts the columns of a group of rows together to records, nested ones by their definition and repetition levels
/// (Melnik et al. 2010, Dremel). Not thread-safe.
/// </summary>
internal sealed class ParquetColumns
{
    private readonly ParquetSchema schema;
    private readonly Dictionary<DataField, Column> columns;

    public ParquetColumns(ParquetSchema schema, ParquetRowGroupReader group)
    {
        this.schema = schema;
        columns = schema.GetDataFields().ToDictionary(field => field, field => new Column(field, group));
    }

    /// <summary>The next record.</summary>
    public JsonObject Next() => ReadObject(schema.Fields);

    private JsonObject ReadObject(IEnumerable<Field> fields)
    {
        var record = new JsonObject();
        foreach (var field in fields) record[field.Name] = Read(field);
        return record;
    }

    private JsonNode? Read(Field field) => field switch
    {
        DataField { IsArray: true } leaf => ReadList(leaf, leaf.MaxDefinitionLevel, () => columns[leaf].Take()),
        DataField leaf => columns[leaf].Take(),
        StructField group => ReadStruct(group),
        ListField list => ReadList(list, list.MaxDefinitionLevel, () => Read(list.Item)),
        MapField map => ReadMap(map),
        _ => throw new DataException($"The column '{field.Path}' is of a kind that is not read here."),
    };

    private JsonObject? ReadStruct(StructField group)
    {
        var exists = FirstLeaf(group).Definition >= group.MaxDefinitionLevel;
        var fields = ReadObject(group.Fields); // also of nothing each column has an entry
        return exists ? fields : null;
    }

    /// <param name="field">The list.</param>
    /// <param name="filled">The definition level from which on it has an entry.</param>
    /// <param name="entry">Reads an entry.</param>
    private JsonArray? ReadList(Field field, int filled, Func<JsonNode?> entry)
    {
        var leaf = FirstLeaf(field);
        if (leaf.Definition < filled)
        {
            var isNull = field.IsNullable && leaf.Definition < filled - 1;
            entry();
            return isNull ? null : [];
        }
        var list = new JsonArray();
        do list.Add(entry());
        while (leaf.Repetition == field.MaxRepetitionLevel);
        return list;
    }

    private JsonObject? ReadMap(MapField map)
    {
        var entries = ReadList(map, map.MaxDefinitionLevel, () => new JsonArray(Read(map.Key), Read(map.Value)));
        return entries is null ? null : new JsonObject(entries.Select(e =>
            KeyValuePair.Create(e![0]?.ToString() ?? "", e[1]?.DeepClone())));
    }

    private Column FirstLeaf(Field field) => field switch
    {
        DataField leaf => columns[leaf],
        StructField group => FirstLeaf(group.Fields[0]),
        ListField list => FirstLeaf(list.Item),
        MapField map => FirstLeaf(map.Key),
        _ => throw new DataException($"The column '{field.Path}' is of a kind that is not read here."),
    };

    /// <summary>The values of one column and where its next one is.</summary>
    private sealed class Column
    {
        private readonly int[]? definitions, repetitions;
        private readonly JsonValue?[] values;
        private readonly int most;
        private int at, value;

        public Column(DataField field, ParquetRowGroupReader group)
        {
            using var data = group.ReadRawColumnDataBaseAsync(field).AsTask().GetAwaiter().GetResult();
            most = field.MaxDefinitionLevel;
            definitions = most > 0 ? data.DefinitionLevels.ToArray() : null;
            repetitions = field.MaxRepetitionLevel > 0 ? data.RepetitionLevels.ToArray() : null;
            values = Values(data, field);
        }

        /// <summary>The definition level of the next entry.</summary>
        public int Definition => definitions?[at] ?? most;

        /// <summary>The repetition level of the next entry; -1 behind the last.</summary>
        public int Repetition => repetitions is { } levels && at < levels.Length ? levels[at] : -1;

        /// <summary>The next entry.</summary>
        public JsonNode? Take()
        {
            var isThere = Definition == most;
            at++;
            return isThere ? values[value++]?.DeepClone() : null;
        }

        private static JsonValue?[] Values(RawColumnData data, DataField field) => data switch
        {
            RawColumnData<ReadOnlyMemory<char>> texts => Map(texts, t => JsonValue.Create(new string(t.Span))),
            RawColumnData<ReadOnlyMemory<byte>> bytes => Map(bytes, b =>
                JsonValue.Create(Convert.ToBase64String(b.Span))),
            RawColumnData<bool> truths => Map(truths, t => JsonValue.Create(t)),
            RawColumnData<sbyte> numbers => Map(numbers, n => JsonValue.Create((long)n)),
            RawColumnData<byte> numbers => Map(numbers, n => JsonValue.Create((long)n)),
            RawColumnData<short> numbers => Map(numbers, n => JsonValue.Create((long)n)),
            RawColumnData<ushort> numbers => Map(numbers, n => JsonValue.Create((long)n)),
            RawColumnData<int> numbers => Map(numbers, n => JsonValue.Create((long)n)),
            RawColumnData<uint> numbers => Map(numbers, n => JsonValue.Create((long)n)),
            RawColumnData<long> numbers => Map(numbers, n => JsonValue.Create(n)),
            RawColumnData<ulong> numbers => Map(numbers, n => JsonValue.Create((double)n)),
            RawColumnData<float> numbers => Map(numbers, n => JsonValue.Create((double)n)),
            RawColumnData<double> numbers => Map(numbers, n => JsonValue.Create(n)),
            RawColumnData<decimal> numbers => Map(numbers, n => JsonValue.Create((double)n)),
            RawColumnData<DateTime> times => Map(times, t =>
                JsonValue.Create(t.ToString("O", CultureInfo.InvariantCulture))),
            RawColumnData<DateOnly> days => Map(days, d =>
                JsonValue.Create(d.ToString("O", CultureInfo.InvariantCulture))),
            RawColumnData<Guid> ids => Map(ids, id => JsonValue.Create(id.ToString())),
            _ => throw new DataException($"The column '{field.Path}' holds {field.ClrType.Name}, which is not read.",
                field.Path.ToString(), "Remove the column, or store it as text."),
        };

        private static JsonValue?[] Map<T>(RawColumnData<T> data, Func<T, JsonValue> make) where T : struct
        {
            var result = new JsonValue?[data.Values.Length];
            for (var i = 0; i < result.Length; i++) result[i] = make(data.Values[i]);
            return result;
        }
    }
}
