using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Storage;

namespace PeftNative.Lab.Comparison;

/// <summary>What is compared on what, and what the base does untouched: the beginning of results.json.</summary>
public sealed record ComparisonFacts
{
    /// <summary>The model, as the user named it.</summary>
    public required string Model { get; init; }

    /// <summary>Its family.</summary>
    public required string Family { get; init; }

    /// <summary>Number of its parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of its files with weights.</summary>
    public required long ModelBytes { get; init; }

    /// <summary>Bytes of its weights in memory, arranged copies included.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>The data set.</summary>
    public required string Data { get; init; }

    /// <summary>Examples that quality is measured on.</summary>
    public required int EvaluationExamples { get; init; }

    /// <summary>What decides about quality: a name of a metric; larger is better.</summary>
    public required string Metric { get; init; }

    /// <summary>The name of <see cref="IBaseKnowledge"/>.</summary>
    public required string Knowledge { get; init; }

    /// <summary>Whether less of it is better.</summary>
    public required bool KnowledgeLowerIsBetter { get; init; }

    /// <summary>The base's own measure of it.</summary>
    public required double KnowledgeBefore { get; init; }

    /// <summary>The untouched base on the evaluation data.</summary>
    public required IReadOnlyDictionary<string, double> Before { get; init; }

    /// <summary>Continuations of the untouched base.</summary>
    public IReadOnlyList<Continuation> Continuations { get; init; } = [];

    /// <summary>The machine and the backend, in words.</summary>
    public required string Machine { get; init; }

    internal JsonObject ToJson() => new()
    {
        ["model"] = Model, ["family"] = Family, ["parameters"] = Parameters, ["model_bytes"] = ModelBytes,
        ["weight_bytes"] = WeightBytes,
        ["data"] = Data, ["evaluation_examples"] = EvaluationExamples, ["metric"] = Metric, ["knowledge"] = Knowledge,
        ["knowledge_lower_is_better"] = KnowledgeLowerIsBetter,
        ["knowledge_before"] = KnowledgeBefore, ["before"] = CellResult.MetricsJson(Before),
        ["continuations"] = CellResult.ContinuationsJson(Continuations), ["machine"] = Machine,
    };
}

/// <summary>
/// The results of a comparison and their file, results.json, which is written anew after every cell, so that a run that
/// was ended goes on where it was. Belongs to one thread.
/// </summary>
public sealed class ComparisonResults
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "results.json";

    private const int Format = 1;
    private const long MostBytes = 256L << 20;

    private readonly string path;
    private readonly Dictionary<CellKey, CellResult> cells = [];
    private IReadOnlyList<CellKey> wanted = [];

    private ComparisonResults(string path) => this.path = path;

    /// <summary>What is compared; null before <see cref="Begin"/>.</summary>
    public ComparisonFacts? Facts { get; private set; }

    /// <summary>The plan; null before <see cref="Begin"/>.</summary>
    public ComparisonPlan? Plan { get; private set; }

    /// <summary>The cells of the present plan that are done, in its order.</summary>
    public IReadOnlyList<CellResult> Cells => [.. wanted.Where(cells.ContainsKey).Select(key => cells[key])];

    /// <summary>What changing adapters costs and changes; null until it was tried.</summary>
    public PortabilityResult? Portability { get; private set; }

    /// <summary>Opens the results of a folder; without a file they are empty.</summary>
    /// <exception cref="ModelFormatException">The file is damaged.</exception>
    public static ComparisonResults Open(string folder)
    {
        var results = new ComparisonResults(Path.Combine(folder, FileName));
        if (File.Exists(results.path)) results.Read();
        return results;
    }

    /// <summary>Says what is compared now; cells of other plans stay in the file.</summary>
    public void Begin(ComparisonFacts facts, ComparisonPlan plan, IReadOnlyList<CellKey> order) =>
        (Facts, Plan, wanted) = (facts, plan, order);

    /// <summary>The finished cell of a key, if it was computed by the same recipe.</summary>
    public CellResult? Find(CellKey key, string recipe) =>
        cells.GetValueOrDefault(key) is { } cell && cell.Recipe == recipe ? cell : null;

    /// <summary>Takes a finished cell and writes the file.</summary>
    public void Add(CellResult cell)
    {
        cells[cell.Key] = cell;
        Save();
    }

    /// <summary>Takes the last part and writes the file.</summary>
    public void Add(PortabilityResult portability)
    {
        Portability = portability;
        Save();
    }

    /// <summary>All of it.</summary>
    public JsonObject ToJson() => new()
    {
        ["format"] = Format, ["facts"] = Facts?.ToJson(), ["plan"] = Plan is null ? null : PlanJson(Plan),
        ["cells"] = new JsonArray([.. cells.Values.OrderBy(c => Place(c.Key)).Select(c => (JsonNode)c.ToJson())]),
        ["portability"] = Portability?.ToJson(),
    };

    private void Save() => AtomicFile.WriteText(path, PeftJson.Write(ToJson()) + "\n");

    private int Place(CellKey key)
    {
        for (var i = 0; i < wanted.Count; i++)
            if (wanted[i] == key) return i;
        return int.MaxValue;
    }

    private void Read()
    {
        try
        {
            var json = StrictJson.ReadFile(path, MostBytes);
            if (json.GetInt("format") != Format) throw json.Error("format", "The results are of another version.");
            foreach (var element in json.Element.GetProperty("cells").EnumerateArray())
            {
                var cell =
                    CellResult.FromJson(StrictJson.ParseObject(Encoding.UTF8.GetBytes(element.GetRawText()), path));
                cells[cell.Key] = cell;
            }
        }
        catch (Exception e) when (e is ModelFormatException or InvalidOperationException or KeyNotFoundException
            or FormatException)
        {
            throw new ModelFormatException(
                $"The results cannot be read: {(e as PeftNativeException)?.What ?? e.Message}", path,
                "Remove the file to compute everything again.", e);
        }
    }

    private static JsonObject PlanJson(ComparisonPlan plan) => new()
    {
        ["methods"] = new JsonObject(plan.Methods.Select(m => KeyValuePair.Create(m.Name, (JsonNode?)new JsonObject
        {
            ["learning_rate"] = m.LearningRate, ["is_baseline"] = m.IsBaseline, ["settings"] = m.Config.ToJson(),
        }))),
        ["sizes"] = new JsonArray([.. plan.Sizes.Select(s => (JsonNode)s)]),
        ["seeds"] = new JsonArray([.. plan.Seeds.Select(s => (JsonNode)(long)s)]), ["budget"] = plan.Budget,
        ["most_epochs"] = plan.MostEpochs, ["batch_size"] = plan.BatchSize,
    };
}
