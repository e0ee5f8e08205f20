using System.Text.Json.Nodes;
using PeftNative.Training.Metrics;

namespace PeftNative.Lab.Verification;

/// <summary>Recorded metrics of tagged words; see <see cref="RecordedMetrics"/>.</summary>
internal static class RecordedTags
{
    internal static void Replay(JsonObject recorded, RecordedValues values)
    {
        var (labels, found) = (Texts(recorded, "labels"), Texts(recorded, "predictions"));
        var words = labels.Zip(found).SelectMany(p => p.First.Zip(p.Second)).ToList();
        values.Expect("accuracy", recorded, words.Average(w => w.First == w.Second ? 1.0 : 0));
        if (recorded["token_level"] is JsonObject plain)
        {
            Plain(recorded, plain, words, values);
            return;
        }
        var scheme = (string)recorded["scheme"]!;
        Mode("default", recorded, labels, found, t => [.. EntityMetrics.Entities(t)], values);
        Mode("strict", recorded, labels, found, t => TagScheme.Entities(t, scheme), values);
    }

    private static void Mode(string name, JsonObject recorded, List<string[]> labels, List<string[]> found,
        Func<string[], IReadOnlyList<(string Type, int First, int Last)>> entities, RecordedValues values)
    {
        var (expected, given) = (All(labels, entities), All(found, entities));
        for (var i = 0; i < labels.Count; i++)
            if (recorded[$"{name}_entities"]?[i] is JsonArray list)
            {
                var theirs = string.Join(' ', list.Select(e => $"{e![0]} {e[1]} {e[2]}"));
                var ours = string.Join(' ', entities(labels[i]).Select(e => $"{e.Type} {e.First} {e.Last}"));
                values.Check(theirs == ours, $"{name} entities of text {i}", theirs, ours);
            }
        var each = new List<ClassScore>();
        foreach (var type in expected.Concat(given).Select(e => e.Type).Distinct().Order(StringComparer.Ordinal))
        {
            each.Add(Score(expected.Where(e => e.Type == type), given.Where(e => e.Type == type)));
            if (recorded[name]![type] is JsonObject own) RecordedLabels.Expect($"{name} {type}", own, each[^1], values);
            else values.Fail($"{name} {type}");
        }
        RecordedLabels.Expect($"{name} micro", recorded[name]!["micro avg"]!.AsObject(), Score(expected, given),
            values);
        RecordedLabels.Expect($"{name} macro", recorded[name]!["macro avg"]!.AsObject(),
            each.Count > 0 ? RecordedLabels.Mean(each, _ => 1) : new(double.NaN, double.NaN, double.NaN, 0), values);
        RecordedLabels.Expect($"{name} weighted", recorded[name]!["weighted avg"]!.AsObject(),
            RecordedLabels.Mean(each, s => s.Support), values);
    }

    private static List<(int Text, string Type, int First, int Last)> All(List<string[]> texts,
        Func<string[], IReadOnlyList<(string Type, int First, int Last)>> entities) =>
        [.. texts.SelectMany((t, i) => entities(t).Select(e => (i, e.Type, e.First, e.Last)))];

    private static ClassScore Score<T>(IEnumerable<T> expected, IEnumerable<T> given)
    {
        var (right, all) = (expected.ToHashSet(), given.ToList());
        double hits = all.Count(right.Contains);
        return new(all.Count == 0 ? 0 : hits / all.Count, right.Count == 0 ? 0 : hits / right.Count,
            right.Count + all.Count == 0 ? 0 : 2 * hits / (right.Count + all.Count), right.Count);
    }

    private static void Plain(JsonObject recorded, JsonObject tokens, List<(string First, string Second)> words,
        RecordedValues values)
    {
        string[] names = [.. tokens.Select(t => t.Key)];
        var matrix = ConfusionMatrix.Of([.. words.Select(w => Array.IndexOf(names, w.First))],
            [.. words.Select(w => Array.IndexOf(names, w.Second))], names.Length);
        for (var i = 0; i < names.Length; i++)
            RecordedLabels.Expect(names[i], tokens[names[i]]!.AsObject(), matrix.Of(i), values);
        if (recorded["without_O"] is not JsonObject without) return;
        ClassScore[] inside =
            [.. Enumerable.Range(0, names.Length).Where(i => names[i] != "O").Select(i => matrix.Of(i))];
        var (precision, recall, f1) = PlainTags.Scores(names, matrix);
        RecordedLabels.Expect("micro", without["micro"]!.AsObject(), new(precision, recall, f1, 0), values);
        RecordedLabels.Expect("macro", without["macro"]!.AsObject(), RecordedLabels.Mean(inside, _ => 1), values);
        RecordedLabels.Expect("weighted", without["weighted"]!.AsObject(),
            RecordedLabels.Mean(inside, s => s.Support), values);
    }

    private static List<string[]> Texts(JsonObject recorded, string key) =>
        [.. recorded[key]!.AsArray().Select(t => t!.AsArray().Select(w => (string)w!).ToArray())];
}
