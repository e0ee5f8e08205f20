using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Training.Loop;
using PeftNative.Training.Observing;

namespace PeftNative.Cli.Runs;

/// <summary>
/// Keeps every event of a run and writes each as a line of log.jsonl at once, so that a killed run leaves its log.
/// </summary>
internal sealed class RunLog : IDisposable
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "log.jsonl";

    private readonly StreamWriter writer;

    /// <summary>Opens the log; a run that goes on keeps the lines up to its first step.</summary>
    public RunLog(string folder, int completedSteps)
    {
        var path = Path.Combine(folder, FileName);
        var kept = completedSteps > 0 && File.Exists(path) ? File.ReadAllLines(path).Select(Parse).OfType<JsonObject>()
            .Where(o => o["step"]?.GetValue<int>() <= completedSteps).ToList() : [];
        writer = new StreamWriter(path, append: false) { NewLine = "\n", AutoFlush = true };
        foreach (var line in kept) Write(line);
    }

    /// <summary>The lines so far.</summary>
    public List<JsonObject> Lines { get; } = [];

    /// <summary>Adds a record that was left out, and why.</summary>
    public void Add(DataException bad) => Write(new JsonObject
    {
        ["event"] = "left_out", ["where"] = bad.Where, ["what"] = bad.What,
    });

    /// <summary>Adds an event; returns its line.</summary>
    public JsonObject Add(TrainEvent e)
    {
        var line = ToJson(e);
        Write(line);
        return line;
    }

    /// <summary>The line of a warning with this text, which a run that goes on has already; null for none.</summary>
    public JsonObject? Find(string message) => Lines.Find(l => (string?)l["message"] == message);

    /// <summary>All warnings so far, as objects with name and text.</summary>
    public JsonArray Observations() => ToJson(Lines.Where(l => (string?)l["event"] == "warning")
        .Select(l => new Observation((string?)l["name"] ?? "warning", (string?)l["message"] ?? "")));

    /// <summary>Observations as objects with name and text.</summary>
    public static JsonArray ToJson(IEnumerable<Observation> observations) =>
        [.. observations.Select(o => (JsonNode)new JsonObject { ["name"] = o.Name, ["text"] = o.Text })];

    /// <inheritdoc/>
    public void Dispose() => writer.Dispose();

    private static JsonObject ToJson(TrainEvent e) => e switch
    {
        StepEvent s => new JsonObject
        {
            ["event"] = "step", ["step"] = s.Step, ["total_steps"] = s.TotalSteps, ["epoch"] = Math.Round(s.Epoch, 4),
            ["loss"] = JsonLines.Number(s.Loss),
            ["accuracy"] = JsonLines.Number(s.Accuracy), ["learning_rate"] = s.LearningRate,
            ["grad_norm"] = JsonLines.Number(s.GradientNorm),
            ["tokens"] = s.Tokens, ["tokens_per_s"] = Math.Round(s.Tokens / s.Duration.TotalSeconds, 1),
            ["elapsed_s"] = Math.Round(s.Elapsed.TotalSeconds, 3),
            ["remaining_s"] = Math.Round(s.Remaining.TotalSeconds, 1),
        },
        EvalEvent v => Evaluation(v),
        SavedEvent s => new JsonObject { ["event"] = "saved", ["step"] = s.Step, ["folder"] = s.Folder },
        RateEvent r => new JsonObject
        {
            ["event"] = "find_rate", ["step"] = r.Step, ["learning_rate"] = r.Search.Rate, ["reason"] = r.Search.Reason,
            ["steps"] = r.Search.Steps,
            ["probes"] = new JsonArray([.. r.Search.Probes.Select(p => (JsonNode)new JsonObject
            {
                ["learning_rate"] = p.Rate, ["steps"] = p.Steps, ["loss"] = JsonLines.Number(p.Loss),
            })]),
        },
        WarningEvent w => new JsonObject
        {
            ["event"] = "warning", ["step"] = w.Step, ["name"] = w.Name, ["message"] = w.Message,
        },
        _ => new JsonObject { ["event"] = e.GetType().Name, ["step"] = e.Step },
    };

    private static JsonObject Evaluation(EvalEvent v)
    {
        var line = new JsonObject([
            KeyValuePair.Create("event", (JsonNode?)"eval"), KeyValuePair.Create("step", (JsonNode?)v.Step),
            .. v.Metrics.Select(m => KeyValuePair.Create("eval_" + m.Key, JsonLines.Number(m.Value))),
            KeyValuePair.Create("is_best", (JsonNode?)v.IsBest),
            KeyValuePair.Create("seconds", (JsonNode?)Math.Round(v.Duration.TotalSeconds, 3)),
        ]);
        ClassTable.AddTo(line, v.Classes);
        return line;
    }

    private void Write(JsonObject line)
    {
        Lines.Add(line);
        writer.WriteLine(line.ToJsonString(JsonLines.Options));
    }

    // A killed run may have left half a line at the end.
    private static JsonObject? Parse(string line)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }
}
