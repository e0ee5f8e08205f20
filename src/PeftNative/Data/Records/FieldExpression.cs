using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Records;

/// <summary>
/// What a column may be instead of a name: a path into nested fields (<c>answers.text[0]</c>, <c>[-1]</c> for the last)
/// or a template of names and paths (<c>{context}\n\n{question}</c>; doubled braces stand for themselves). Immutable.
/// </summary>
internal sealed class FieldExpression
{
    private readonly string _text;

    private FieldExpression(string text) => _text = text;

    /// <summary>The expression that a column is; null where it is a plain name.</summary>
    public static FieldExpression? Of(string column) =>
        column.AsSpan().IndexOfAny('.', '[', '{') < 0 ? null : new FieldExpression(column);

    /// <summary>Its value in a record; null where the record lacks something of it.</summary>
    public JsonNode? In(JsonObject fields) =>
        _text.Contains('{') ? Fill(fields) is { } text ? JsonValue.Create(text) : null : Follow(fields, _text);

    /// <summary>Whether a name stands in it.</summary>
    public bool Reads(string name) => _text.Split(['.', '[', ']', '{', '}']).Contains(name);

    private string? Fill(JsonObject fields)
    {
        var result = new StringBuilder();
        for (var i = 0; i < _text.Length; i++)
        {
            var (c, next) = (_text[i], i + 1 < _text.Length ? _text[i + 1] : '\0');
            if (c is '{' or '}' && next == c || c == '\\' && next is 'n' or 't' or '\\')
            {
                result.Append((c, next) switch { ('\\', 'n') => '\n', ('\\', 't') => '\t', _ => next });
                i++;
            }
            else if (c == '{' && _text.IndexOf('}', i) is > 0 and var end)
            {
                if (Follow(fields, _text[(i + 1)..end]) is not { } value) return null;
                result.Append(value is JsonValue single && single.TryGetValue<string>(out var text)
                    ? text : value.ToJsonString());
                i = end;
            }
            else
            {
                result.Append(c);
            }
        }
        return result.ToString();
    }

    private static JsonNode? Follow(JsonObject fields, string path)
    {
        // A name may have dots itself.
        if (fields.TryGetPropertyValue(path, out var whole)) return whole;
        JsonNode? node = fields;
        foreach (var part in path.Replace("[", ".[", StringComparison.Ordinal)
            .Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            node = part is ['[', .. var number, ']'] ? Entry(node as JsonArray, number)
                : node is JsonObject inner && inner.TryGetPropertyValue(part, out var found) ? found : null;
        }
        return node;
    }

    private static JsonNode? Entry(JsonArray? list, string number)
    {
        if (list is null || !int.TryParse(number, CultureInfo.InvariantCulture, out var index)) return null;
        if (index < 0) index += list.Count;
        return index >= 0 && index < list.Count ? list[index] : null;
    }
}
