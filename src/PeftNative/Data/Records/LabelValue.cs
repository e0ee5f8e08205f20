using System.Globalization;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Records;

/// <summary>What a label is written as.</summary>
public enum LabelKind
{
    /// <summary>A name.</summary>
    Name,

    /// <summary>A whole number.</summary>
    Whole,

    /// <summary>A number with a decimal point.</summary>
    Real,

    /// <summary>A list of labels or of yes and no.</summary>
    List,
}

/// <summary>A label as the file has it.</summary>
/// <param name="Kind">What it is written as.</param>
/// <param name="Text">Its text; of numbers as they are written.</param>
/// <param name="Number">Its value, where it is a number.</param>
/// <param name="Items">Its entries, where it is a list; otherwise empty.</param>
/// <param name="IsUntyped">
/// Whether it is a text of csv or tsv, which may mean a name although it reads as a number.
/// </param>
public sealed record LabelValue(
    LabelKind Kind, string Text, double Number, IReadOnlyList<LabelValue> Items, bool IsUntyped = false)
{
    /// <summary>A name.</summary>
    public static LabelValue OfName(string name) => new(LabelKind.Name, name, 0, []);

    /// <summary>A whole number.</summary>
    public static LabelValue OfWhole(long number) => new(LabelKind.Whole, TextOf(number), number, []);

    /// <summary>A number.</summary>
    public static LabelValue OfReal(double number) => new(LabelKind.Real, TextOf(number), number, []);

    /// <summary>A list.</summary>
    public static LabelValue OfList(IReadOnlyList<LabelValue> items) =>
        new(LabelKind.List, $"[{string.Join(", ", items.Select(i => i.Text))}]", 0, items);

    /// <summary>The name of a number as a label.</summary>
    internal static string TextOf(double number) => number.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>
    /// Reads a label of JSON; null where it is neither text, number, truth value nor a list of these.
    /// </summary>
    internal static LabelValue? FromJson(JsonNode? node) => node switch
    {
        JsonArray array => ListFromJson(array),
        JsonValue value when value.TryGetValue<string>(out var text) => OfName(text),
        JsonValue value when value.TryGetValue<bool>(out var truth) => OfName(truth ? "true" : "false"),
        JsonValue value when value.TryGetValue<long>(out var whole) => OfWhole(whole),
        JsonValue value when value.TryGetValue<double>(out var real) => OfReal(real),
        _ => null,
    };

    /// <summary>Reads a label of csv or tsv.</summary>
    internal static LabelValue FromText(string text)
    {
        const NumberStyles real =
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        var kind = long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
            ? LabelKind.Whole
            : LabelKind.Real;
        return double.TryParse(text, real, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? new LabelValue(kind, text, number, [], IsUntyped: true)
            : new LabelValue(LabelKind.Name, text, 0, [], IsUntyped: true);
    }

    private static LabelValue? ListFromJson(JsonArray array)
    {
        var items = array.Select(item => item switch
        {
            JsonArray => null,
            JsonValue value when value.TryGetValue<bool>(out var truth) => OfReal(truth ? 1 : 0),
            _ => FromJson(item),
        }).ToList();
        return items.Contains(null) ? null : OfList(items!);
    }
}
