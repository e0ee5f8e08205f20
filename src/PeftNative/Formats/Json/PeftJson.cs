using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Formats.Json;

/// <summary>
/// Writes JSON as PEFT writes <c>adapter_config.json</c> (Python's <c>json.dumps(indent=2, sort_keys=True)</c>): keys
/// in code point order, floats that stay floats (<c>0.0</c>, <c>1e-05</c>), explicit nulls, everything beyond ASCII
/// escaped, no newline at the end.
/// </summary>
public static class PeftJson
{
    /// <summary>The text of a value.</summary>
    /// <exception cref="ArgumentException">A number is not finite; JSON has no spelling for it.</exception>
    public static string Write(JsonNode? value)
    {
        var json = new StringBuilder();
        Append(json, value, "\n");
        return json.ToString();
    }

    private static void Append(StringBuilder json, JsonNode? node, string line)
    {
        switch (node)
        {
            case null:
                json.Append("null");
                break;
            case JsonObject map:
                var entries = map.OrderBy(e => e.Key, Comparer<string>.Create(JsonText.CompareUtf8));
                AppendItems(json, '{', entries, '}', line, (entry, deeper) =>
                {
                    json.AppendString(entry.Key, asciiOnly: true).Append(": ");
                    Append(json, entry.Value, deeper);
                });
                break;
            case JsonArray list:
                AppendItems(json, '[', list, ']', line, (item, deeper) => Append(json, item, deeper));
                break;
            case JsonValue scalar:
                AppendScalar(json, scalar);
                break;
        }
    }

    private static void AppendItems<T>(
        StringBuilder json, char open, IEnumerable<T> items, char close, string line, Action<T, string> append)
    {
        var deeper = line + "  ";
        var any = false;
        json.Append(open);
        foreach (var item in items)
        {
            json.Append(any ? "," : "").Append(deeper);
            append(item, deeper);
            any = true;
        }
        json.Append(any ? line : "").Append(close);
    }

    private static void AppendScalar(StringBuilder json, JsonValue value)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.String: json.AppendString(value.GetValue<string>(), asciiOnly: true); break;
            case JsonValueKind.Number: json.Append(NumberText(value)); break;
            case JsonValueKind.True: json.Append("true"); break;
            case JsonValueKind.False: json.Append("false"); break;
            default: json.Append("null"); break;
        }
    }

    private static string NumberText(JsonValue value)
    {
        // A float is one by its spelling in the file it was read from, or by its type in memory.
        if (value.TryGetValue(out JsonElement element))
        {
            var raw = element.GetRawText();
            return raw.AsSpan().IndexOfAny(".eE") < 0 ? raw : FloatText(element.GetDouble());
        }
        if (value.TryGetValue(out double number)) return FloatText(number);
        return value.TryGetValue(out float single)
            ? FloatText(double.Parse(single.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture))
            : value.ToJsonString();
    }

    /// <summary>
    /// The shortest decimal that reads back as the same double, laid out as Python's <c>repr</c> does.
    /// </summary>
    internal static string FloatText(double value)
    {
        if (!double.IsFinite(value)) throw new ArgumentException($"{value} cannot be written as JSON.", nameof(value));
        var parts = double.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        var point = parts[0].IndexOf('.');
        var all = parts[0].Replace(".", "");
        var digits = all.Trim('0');
        var sign = double.IsNegative(value) ? "-" : "";
        if (digits.Length == 0) return sign + "0.0";
        var leadingZeros = all.Length - all.TrimStart('0').Length;
        var exponent = (point < 0 ? all.Length : point) - 1 - leadingZeros
            + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        return sign + (exponent is < -4 or >= 16 ? Scientific(digits, exponent) : Plain(digits, exponent));
    }

    private static string Scientific(string digits, int exponent) =>
        digits[..1] + (digits.Length > 1 ? "." + digits[1..] : "") + (exponent < 0 ? "e-" : "e+")
        + int.Abs(exponent).ToString("00", CultureInfo.InvariantCulture);

    private static string Plain(string digits, int exponent) =>
        exponent < 0 ? "0." + new string('0', -exponent - 1) + digits
        : exponent + 1 >= digits.Length ? digits.PadRight(exponent + 1, '0') + ".0"
        : digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
}
