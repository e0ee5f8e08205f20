using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;

namespace PeftNative.Lab.Comparison;

/// <summary>Which run of a comparison: a method on a task, with so many records and a seed.</summary>
public sealed record CellKey(string Task, string Method, int Size, ulong Seed)
{
    /// <summary>As a folder is named.</summary>
    public override string ToString() => $"{Task}-{Method}-{Size}-{Seed}";
}

/// <summary>A continuation beside the one that was wanted.</summary>
public sealed record Continuation(string Prompt, string Wanted, string Given)
{
    /// <summary>Whether they are the same, character for character.</summary>
    public bool IsExact => Given == Wanted;
}

/// <summary>What one run of a comparison gave: a finished cell of results.json.</summary>
public sealed record CellResult
{
    /// <summary>Which run.</summary>
    public required CellKey Key { get; init; }

    /// <summary>Digest of everything the result follows from; a cell with another one is computed again.</summary>
    public required string Recipe { get; init; }

    /// <summary>The highest learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Number of trained values.</summary>
    public required long Trainable { get; init; }

    /// <summary>Bytes of what must be stored: the weights files of the adapter.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>Optimizer steps.</summary>
    public required int Steps { get; init; }

    /// <summary>Median wall time of a step, in milliseconds.</summary>
    public required double StepMilliseconds { get; init; }

    /// <summary>Wall time of the training, in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>
    /// The most bytes the training took beside the weights of the base: activations, and value, gradient and two
    /// moments of every trained parameter.
    /// </summary>
    public required long TrainingBytes { get; init; }

    /// <summary>Loss of the steps, at most 60 of them.</summary>
    public required IReadOnlyList<(int Step, double Loss)> Curve { get; init; }

    /// <summary>What was measured on the evaluation data after the last step, by name.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>
    /// What the model still knows of what the base knew, with the adapter in force; see <see cref="IBaseKnowledge"/>.
    /// </summary>
    public required double KnowledgeOn { get; init; }

    /// <summary>
    /// Whether a probe through the base, without the adapter, gives the bits it gave before the training.
    /// </summary>
    public required bool OffIsIdentical { get; init; }

    /// <summary>SHA-256 of the bits of a probe with the adapter in force.</summary>
    public required string Probe { get; init; }

    /// <summary>Some continuations; empty for classifiers.</summary>
    public IReadOnlyList<Continuation> Continuations { get; init; } = [];

    /// <summary>Where the adapter is, below the folder of the comparison; null where it was not kept.</summary>
    public string? Adapter { get; init; }

    /// <summary>The object of results.json.</summary>
    public JsonObject ToJson() => new()
    {
        ["task"] = Key.Task, ["method"] = Key.Method, ["size"] = Key.Size, ["seed"] = (long)Key.Seed,
        ["recipe"] = Recipe,
        ["learning_rate"] = LearningRate, ["trainable"] = Trainable, ["stored_bytes"] = StoredBytes, ["steps"] = Steps,
        ["step_ms"] = StepMilliseconds, ["seconds"] = Seconds, ["training_bytes"] = TrainingBytes,
        ["curve"] = new JsonArray([.. Curve.Select(p => (JsonNode)new JsonArray(p.Step, p.Loss))]),
        ["metrics"] = MetricsJson(Metrics), ["knowledge_on"] = KnowledgeOn, ["off_is_identical"] = OffIsIdentical,
        ["probe_sha256"] = Probe, ["continuations"] = ContinuationsJson(Continuations), ["adapter"] = Adapter,
    };

    /// <summary>Reads such an object.</summary>
    /// <exception cref="ModelFormatException">It is none.</exception>
    public static CellResult FromJson(StrictObject json) => new()
    {
        Key = new CellKey(json.GetString("task"), json.GetString("method"), json.GetInt("size"),
            (ulong)json.GetLong("seed")),
        Recipe = json.GetString("recipe"), LearningRate = json.GetDouble("learning_rate"),
        Trainable = json.GetLong("trainable"),
        StoredBytes = json.GetLong("stored_bytes"), Steps = json.GetInt("steps"),
        StepMilliseconds = json.GetDouble("step_ms"),
        Seconds = json.GetDouble("seconds"), TrainingBytes = json.GetLong("training_bytes"),
        Curve = [.. Items(json, "curve").Select(p => (p[0].GetInt32(), p[1].GetDouble()))],
        Metrics = ReadMetrics(json.GetObject("metrics")), KnowledgeOn = json.GetDouble("knowledge_on"),
        OffIsIdentical = json.GetBool("off_is_identical"), Probe = json.GetString("probe_sha256"),
        Continuations = ReadContinuations(json), Adapter = json.GetOptionalString("adapter"),
    };

    internal static JsonObject MetricsJson(IReadOnlyDictionary<string, double> metrics) =>
        new(metrics.Where(m => double.IsFinite(m.Value))
            .Select(m => KeyValuePair.Create(m.Key, (JsonNode?)JsonValue.Create(m.Value))));

    internal static Dictionary<string, double> ReadMetrics(StrictObject json) =>
        json.Keys.ToDictionary(k => k, k => json.GetDouble(k));

    internal static JsonArray ContinuationsJson(IEnumerable<Continuation> continuations) =>
        [.. continuations.Select(c =>
        (JsonNode)new JsonObject { ["prompt"] = c.Prompt, ["wanted"] = c.Wanted, ["given"] = c.Given })];

    internal static List<Continuation> ReadContinuations(StrictObject json) =>
        [.. Items(json, "continuations").Select(c =>
        new Continuation(c.GetProperty("prompt").GetString()!, c.GetProperty("wanted").GetString()!,
            c.GetProperty("given").GetString()!))];

    private static JsonElement.ArrayEnumerator Items(StrictObject json, string key)
    {
        if (!json.Element.TryGetProperty(key, out var list) || list.ValueKind != JsonValueKind.Array)
            throw json.Error(key, $"The key '{key}' must hold a list.");
        return list.EnumerateArray();
    }
}
