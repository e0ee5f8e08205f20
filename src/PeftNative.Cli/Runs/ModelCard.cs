using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Formats.Storage;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>
/// README.md beside an adapter, as the Hugging Face Hub reads it: a front matter with base, library, tags and metrics,
/// and below it data, settings, seed and the command. Paths are as the user gave them, absolute ones without their
/// folders. A README of somebody else is left alone.
/// </summary>
internal sealed class ModelCard
{
    private const string FileName = "README.md", Mark = "<!-- written by peftnative; without this line it is kept -->";

    private static readonly Setting[] Given = [.. TrainSettings.All.Where(s => s != TrainSettings.Resume)];

    private readonly RunSetup setup;
    private readonly SettingValues values;
    private readonly TrainResult result;
    private readonly List<string> folders;

    private ModelCard(RunSetup setup, SettingValues values, TrainResult result)
    {
        (this.setup, this.values, this.result) = (setup, values, result);
        folders = [.. Given.Where(values.Has).SelectMany(values.AllTexts).Where(Path.IsPathRooted)
            .Select(p => Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(p))).OfType<string>()
            .Where(f => Path.GetPathRoot(f) != f).Select(f => f + Path.DirectorySeparatorChar).Distinct()
            .OrderByDescending(f => f.Length)];
    }

    /// <summary>Writes the card of the last and of the best adapter; returns what was left alone, in a sentence, or
    /// null.</summary>
    public static string? Write(RunSetup setup, SettingValues values, TrainResult result, string output)
    {
        var (card, best) = (new ModelCard(setup, values, result), Path.Combine(output, "best"));
        string? kept = null;
        foreach (var (folder, metrics) in new[] { (output, result.Last), (best, result.Best) })
        {
            if (!Directory.Exists(folder)) continue;
            var path = Path.Combine(folder, FileName);
            if (File.Exists(path) && !File.ReadAllText(path).Contains(Mark, StringComparison.Ordinal))
                kept = $"{path} is somebody's own text and stays as it is";
            else if (folder == output || metrics is not null)
                AtomicFile.WriteText(path, card.Text(metrics));
        }
        return kept;
    }

    private string Text(IReadOnlyDictionary<string, double>? metrics)
    {
        var card = new StringBuilder();
        var (method, given) = (values.Text(MethodSettings.Name), values.Text(Shared.Model));
        var name = BaseName(given);
        card.Append("---\n").Append(CultureInfo.InvariantCulture, $"base_model: {Quoted(name)}\n");
        card.Append(CultureInfo.InvariantCulture, $"library_name: {Library(MethodSettings.Of(values))}\n");
        card.Append(CultureInfo.InvariantCulture, $"pipeline_tag: {Pipeline(setup.Model.Task)}\n");
        List("tags", [$"base_model:adapter:{name}", method, "peftnative"]);
        if (metrics is { Count: > 0 }) List("metrics", metrics.Keys);
        card.Append("---\n").Append(Mark).Append("\n\n# ").Append(method).Append(" adapter for ").Append(name);
        card.Append("\n\nTrained with peftnative ").Append(Product.Version).Append(".\n\n");
        Table(["", ""], Facts(method));
        if (metrics is { Count: > 0 })
        {
            card.Append("\n## Evaluation\n\nOn ").Append(Plain(setup.EvalOrigin)).Append(".\n\n");
            Table(["metric", "value"], metrics.Select(m => (m.Key, Quantity.Metric(m.Value))));
        }
        card.Append("\n## Command\n\n    peftnative train ");
        card.Append(CommandLine.Flags(Portable(), Given)).Append('\n');
        if (setup.Observations.Count > 0) card.Append("\n## What was noticed\n\n");
        foreach (var seen in setup.Observations) card.Append("- ").Append(Plain(seen.Text)).Append('\n');
        foreach (var reason in result.NotLearned) card.Append("- it has not learned: ").Append(reason).Append('\n');
        return card.ToString();

        void List(string key, IEnumerable<string> items)
        {
            card.Append(key).Append(":\n");
            foreach (var item in items) card.Append("- ").Append(Quoted(item)).Append('\n');
        }

        void Table(string[] head, IEnumerable<(string, string)> rows)
        {
            card.Append(CultureInfo.InvariantCulture, $"| {head[0]} | {head[1]} |\n|---|---|\n");
            foreach (var (left, right) in rows)
                card.Append(CultureInfo.InvariantCulture, $"| {left} | {right.Replace("|", "\\|")} |\n");
        }
    }

    private IEnumerable<(string, string)> Facts(string method)
    {
        yield return ("method", $"{method}, {setup.Adapter.Summary ?? MethodSettings.Describe(setup.Adapter.Config)}");
        yield return ("trained parameters", Quantity.Count(setup.Adapter.ParameterCount));
        yield return ("data", $"{Plain(setup.Data.Path)}, {Quantity.Of(setup.Report.Records, "record")}");
        yield return ("evaluation data", setup.Eval is { } eval
            ? $"{Plain(setup.EvalOrigin)}, {Quantity.Of(eval.Examples.Count, "example")}" : "none");
        if (setup.Labels is { Problem: not ProblemType.Regression } labels)
            yield return ("labels", string.Join(", ", labels.Names));
        yield return ("steps", $"{Quantity.Count(result.Steps)} of "
            + $"{setup.Options.BatchSize * setup.Options.GradientAccumulationSteps} examples");
        yield return ("learning rate", $"{Quantity.Number(setup.Options.LearningRate)}, {setup.Options.LrScheduler}");
        yield return ("seed", values.Whole(Shared.Seed).ToString(CultureInfo.InvariantCulture));
        if (setup.Model.Quantization is { } quantization)
            yield return ("base quantised", quantization.Type.ToString().ToLowerInvariant());
    }

    // The settings with paths that say nothing about the machine.
    private SettingValues Portable()
    {
        var portable = new SettingValues(TrainSettings.All);
        foreach (var setting in Given.Where(values.Has))
        {
            var value = values.Node(setting)!.DeepClone();
            if (value is JsonValue text && text.TryGetValue<string>(out var path)) value = Plain(path);
            else if (value is JsonArray list)
                value = new JsonArray([.. list.Select(i => i is JsonValue v && v.TryGetValue<string>(out var p)
                    ? JsonValue.Create(Plain(p)) : i!.DeepClone())]);
            portable.Add(setting, value, values.OriginOf(setting));
        }
        return portable;
    }

    // Paths in a text, absolute ones without their folders.
    private string Plain(string text) => folders.Aggregate(text, (t, folder) =>
        t.Replace(folder, "", StringComparison.Ordinal));

    // A folder of the Hub's cache has the model's name as models--OWNER--NAME.
    private string BaseName(string given)
    {
        var cached = given.Split('/', '\\').FirstOrDefault(p => p.StartsWith("models--", StringComparison.Ordinal));
        return cached?["models--".Length..].Replace("--", "/") ?? Plain(given);
    }

    private static string Library(Peft.Adapters.Method method) =>
        method.IsBaseline ? "peftnative" : method.PeftType == "BOTTLENECK" ? "adapters" : "peft";

    private static string Pipeline(ModelTask task) => task switch
    {
        ModelTask.CausalLM => "text-generation",
        ModelTask.SequenceToSequence => "text2text-generation",
        ModelTask.TokenClassification => "token-classification",
        _ => "text-classification",
    };

    // JSON's texts are YAML's; plain ones need no quotes.
    private static string Quoted(string text) => text.Length > 0 && char.IsAsciiLetter(text[0])
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/')
        && text is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off")
        ? text : JsonValue.Create(text).ToJsonString(JsonLines.Options);
}
