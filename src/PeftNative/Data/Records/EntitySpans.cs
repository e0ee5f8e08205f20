using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>
/// Entities as spans of characters of a text: <c>{"start": 0, "end": 2, "label": "ORG"}</c> or <c>[0, 2, "ORG"]</c>.
/// They become words with tags (B-ORG, I-ORG, O). Words end at white space, at punctuation around them, and where an
/// entity begins or ends.
/// </summary>
internal static class EntitySpans
{
    private static readonly string[] Lists = ["entities", "spans"], Labels = ["label", "type", "entity", "tag",
        "entity_group", "entity_type"];

    /// <summary>The list of entities beside a text; null where the record has none.</summary>
    public static JsonArray? Of(JsonObject fields) =>
        fields["text"] is JsonValue text && text.TryGetValue<string>(out _)
            && !fields.ContainsKey("label") && !fields.ContainsKey("tokens")
            ? Lists.Select(name => fields[name]).OfType<JsonArray>().FirstOrDefault(IsSpans) : null;

    /// <summary>The words of a text and their tags.</summary>
    /// <exception cref="DataException">An entity lies outside of the text, overlaps another or has no
    /// label.</exception>
    public static (JsonArray Tokens, JsonArray Tags) ToWords(string text, JsonArray entities, RecordOrigin origin)
    {
        // Places are counted in characters, as Python counts them.
        var places = new List<int>();
        for (var i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1) places.Add(i);
        places.Add(text.Length);
        var spans = entities.Select(e => Span(e, places, origin)).OrderBy(s => s.Start).ToList();
        foreach (var (one, other) in spans.Zip(spans.Skip(1)))
        {
            if (other.Start < one.End)
                throw Error($"The entities '{text[one.Start..one.End]}' and '{text[other.Start..other.End]}' overlap.",
                    origin);
        }
        var (tokens, tags) = (new JsonArray(), new JsonArray());
        var cuts = spans.SelectMany(s => new[] { s.Start, s.End }).ToHashSet();
        var (next, before) = (0, -1);
        foreach (var (start, end) in Words(text, cuts))
        {
            while (next < spans.Count && spans[next].End <= start) next++;
            var isInside = next < spans.Count && spans[next].Start <= start;
            tokens.Add((JsonNode)text[start..end]);
            tags.Add((JsonNode)(isInside ? (before == next ? "I-" : "B-") + spans[next].Label : "O"));
            if (isInside) before = next;
        }
        return (tokens, tags);
    }

    private sealed record Entity(int Start, int End, string Label);

    private static bool IsSpans(JsonArray list) =>
        list.All(e => e is JsonObject o && o["start"] is JsonValue && o["end"] is JsonValue
            || e is JsonArray { Count: 3 } a && a[2] is JsonValue v && v.TryGetValue<string>(out _));

    private static Entity Span(JsonNode? node, List<int> places, RecordOrigin origin)
    {
        var (start, end) = node is JsonArray list ? (list[0], list[1]) : (node!["start"], node["end"]);
        var label = node is JsonArray three ? three[2]
            : Labels.Select(key => node[key]).FirstOrDefault(n => n is not null);
        if (label is not JsonValue named || !named.TryGetValue<string>(out var name) || name.Length == 0)
            throw Error($"The entity {node.ToJsonString()} has no label.", origin);
        if (!IsPlace(start, out var from) || !IsPlace(end, out var to) || from >= to || to >= places.Count)
            throw Error($"The entity {node.ToJsonString()} lies outside of the text of {places.Count - 1} characters.",
                origin);
        return new Entity(places[from], places[to], name);
    }

    private static bool IsPlace(JsonNode? node, out int place)
    {
        place = 0;
        return node is JsonValue value && value.TryGetValue<long>(out var whole) && whole is >= 0 and < int.MaxValue
            && (place = (int)whole) >= 0;
    }

    private static IEnumerable<(int Start, int End)> Words(string text, HashSet<int> cuts)
    {
        for (var at = 0; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }
            var end = at;
            while (end < text.Length && !char.IsWhiteSpace(text[end]) && (end == at || !cuts.Contains(end))) end++;
            var inner = end;
            while (inner > at && IsPunctuation(text[inner - 1])) inner--;
            while (at < inner && IsPunctuation(text[at])) yield return (at, ++at);
            if (at < inner) yield return (at, inner);
            for (at = inner; at < end; at++) yield return (at, at + 1);
        }
    }

    private static bool IsPunctuation(char c) => char.IsPunctuation(c) && c is not ('\'' or '-' or '_' or '@' or '#');

    private static DataException Error(string what, RecordOrigin origin) =>
        new(what, origin.ToString(), "Correct the record.");
}
