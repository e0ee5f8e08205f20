using System.Text.Json.Nodes;

namespace PeftNative.Lab.Verification;

/// <summary>
/// Replays a folder of metrics that were recorded from scikit-learn, SciPy, seqeval, jiwer, sacreBLEU, rouge_score and
/// SQuAD's rules: a JSON file for each, with named cases or lists of them.
/// </summary>
public static class RecordedMetrics
{
    private const double Exact = 1e-9, Loose = 1e-6;

    private static readonly (string File, double Tolerance, Action<JsonObject, RecordedValues> Replay)[] Files =
    [
        ("classification", Exact, RecordedLabels.Classification), ("ranking", Loose, RecordedLabels.Ranking),
        ("regression", Exact, RecordedLabels.Regression), ("multilabel", Exact, RecordedLabels.MultiLabel),
        ("tokens", Exact, RecordedTags.Replay), ("wer", Exact, RecordedTexts.ErrorRates),
        ("bleu", Loose, RecordedTexts.Bleu), ("rouge", Exact, RecordedTexts.Rouge),
        ("squad", Exact, RecordedTexts.Squad),
    ];

    /// <summary>Whether a folder holds such a recording.</summary>
    public static bool Knows(string folder) => File.Exists(Path.Combine(folder, "classification.json"))
        && File.Exists(Path.Combine(folder, "multilabel.json"));

    /// <summary>The cases, as names and what runs them.</summary>
    /// <exception cref="DataException">A file is broken.</exception>
    public static IEnumerable<(string Name, Func<VerificationResult> Run)> Find(string folder)
    {
        foreach (var (file, tolerance, replay) in Files)
        {
            var path = Path.Combine(folder, $"{file}.json");
            if (!File.Exists(path)) continue;
            foreach (var (name, recorded) in RecordedValues.Read(path, Cases))
                yield return ($"metrics:{file}:{name}", () => RecordedValues.Read(path, _ =>
                {
                    var values = new RecordedValues($"metrics:{file}:{name}", tolerance);
                    replay(recorded, values);
                    return values.Result;
                }));
        }
    }

    // Lists under several keys follow one another; what has no name goes by its number.
    private static List<(string, JsonObject)> Cases(JsonNode root)
    {
        var cases = new List<(string, JsonObject)>();
        foreach (var (key, node) in root.AsObject())
        {
            if (node is JsonObject single) cases.Add((key, single));
            var list = (node as JsonArray)?.OfType<JsonObject>().ToList() ?? [];
            // Names that come again do not tell cases apart.
            var areNamed = list.Select(c => (string?)c["name"]).Distinct().Count() == list.Count;
            for (var i = 0; i < list.Count; i++)
                cases.Add((areNamed && (string?)list[i]["name"] is { } name ? name : $"{i}", list[i]));
        }
        return cases;
    }
}
