using System.Globalization;
using System.Text.Json.Nodes;
using Apache.Arrow;

namespace PeftNative.Columnar;

/// <summary>Values of Arrow's arrays as JSON.</summary>
internal static class ArrowValues
{
    /// <summary>The value at a place; null where there is none.</summary>
    /// <exception cref="DataException">The array is of a kind that is not read.</exception>
    public static JsonNode? At(IArrowArray array, int i, string path)
    {
        if (array.IsNull(i)) return null;
        return array switch
        {
            StringArray texts => texts.GetString(i),
            LargeStringArray texts => texts.GetString(i),
            StringViewArray texts => texts.GetString(i),
            BooleanArray truths => truths.GetValue(i),
            Int8Array n => (long)n.GetValue(i)!.Value,
            Int16Array n => (long)n.GetValue(i)!.Value,
            Int32Array n => (long)n.GetValue(i)!.Value,
            Int64Array n => n.GetValue(i),
            UInt8Array n => (long)n.GetValue(i)!.Value,
            UInt16Array n => (long)n.GetValue(i)!.Value,
            UInt32Array n => (long)n.GetValue(i)!.Value,
            UInt64Array n => (double)n.GetValue(i)!.Value,
            HalfFloatArray n => (double)n.GetValue(i)!.Value,
            FloatArray n => (double)n.GetValue(i)!.Value,
            DoubleArray n => n.GetValue(i),
            Decimal128Array n => (double)n.GetValue(i)!.Value,
            ListArray lists => List(lists.GetSlicedValues(i), path),
            LargeListArray lists => List(lists.GetSlicedValues(i), path),
            FixedSizeListArray lists => List(lists.GetSlicedValues(i), path),
            StructArray group => Struct(group, i, path),
            DictionaryArray names => At(names.Dictionary, Index(names.Indices, i), path),
            BinaryArray bytes => Convert.ToBase64String(bytes.GetBytes(i)),
            LargeBinaryArray bytes => Convert.ToBase64String(bytes.GetBytes(i)),
            Date32Array days => days.GetDateTime(i)?.ToString("O", CultureInfo.InvariantCulture),
            Date64Array days => days.GetDateTime(i)?.ToString("O", CultureInfo.InvariantCulture),
            TimestampArray times => times.GetTimestamp(i)?.ToString("O", CultureInfo.InvariantCulture),
            _ => throw new DataException($"The file has a column of {array.Data.DataType.Name}, which is not read.",
                path, "Remove the column, or store it as text."),
        };
    }

    private static JsonArray List(IArrowArray values, string path) =>
        [.. Enumerable.Range(0, values.Length).Select(i => At(values, i, path))];

    private static JsonObject Struct(StructArray group, int i, string path)
    {
        var type = (Apache.Arrow.Types.StructType)group.Data.DataType;
        var fields = new JsonObject();
        for (var f = 0; f < type.Fields.Count; f++) fields[type.Fields[f].Name] = At(group.Fields[f], i, path);
        return fields;
    }

    private static int Index(IArrowArray indices, int i) => indices switch
    {
        Int8Array n => n.GetValue(i)!.Value,
        Int16Array n => n.GetValue(i)!.Value,
        Int32Array n => n.GetValue(i)!.Value,
        Int64Array n => checked((int)n.GetValue(i)!.Value),
        UInt8Array n => n.GetValue(i)!.Value,
        UInt16Array n => n.GetValue(i)!.Value,
        UInt32Array n => checked((int)n.GetValue(i)!.Value),
        _ => throw new DataException($"A dictionary is indexed by {indices.Data.DataType.Name}."),
    };
}
