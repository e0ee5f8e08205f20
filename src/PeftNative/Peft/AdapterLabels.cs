using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft;

/// <summary>
/// What a base model must be loaded as for an adapter: PEFT's files hold the task and the head, but not the names of
/// the labels. Those lie beside them in labels.json, under the keys of config.json.
/// </summary>
public static class AdapterLabels
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "labels.json";

    private const string HubHead = "head_config.json", Thresholds = "thresholds";

    /// <summary>The text of labels.json for a classifier.</summary>
    /// <param name="labels">The labels by index.</param>
    /// <param name="problem">What they mean.</param>
    /// <param name="thresholds">The probability from which each counts, where records have several; null for one
    /// half.</param>
    public static string Write(IReadOnlyList<string> labels, ProblemType problem,
        IReadOnlyList<double>? thresholds = null)
    {
        var json = ToConfig(labels, problem);
        if (thresholds is not null)
            json[Thresholds] = new JsonObject(labels.Zip(thresholds,
                (label, t) => KeyValuePair.Create(label, (JsonNode?)t)));
        return PeftJson.Write(json);
    }

    /// <summary>The probability from which each label of an adapter counts; null for one half.</summary>
    /// <exception cref="ModelFormatException">The file is broken.</exception>
    public static IReadOnlyList<double>? ThresholdsOf(string adapterFolder)
    {
        if (Find(adapterFolder) is not { } file) return null;
        var json = StrictJson.ReadFile(file);
        return json.GetOptionalObject(Thresholds) is { } map ? [.. Names(json).Select(n => map.GetDouble(n))] : null;
    }

    /// <summary>The keys of config.json that say what a classifier's outputs mean.</summary>
    internal static JsonObject ToConfig(IReadOnlyList<string> labels, ProblemType problem) => new()
    {
        ["id2label"] = new JsonObject(labels.Select((label, i) => KeyValuePair.Create($"{i}", (JsonNode?)label))),
        ["label2id"] = new JsonObject(labels.Select((label, i) => KeyValuePair.Create(label, (JsonNode?)i))),
        ["problem_type"] = problem.HubName(),
    };

    /// <summary>
    /// Options to load a base model with, so that the adapter fits: its task, its labels from labels.json in its folder
    /// or the one above, or by number from the head it brings, and its vocabulary.
    /// </summary>
    /// <param name="adapterFolder">The adapter.</param>
    /// <param name="baseFolder">The base model.</param>
    /// <exception cref="ModelFormatException">A file is broken, or the adapter is of a kind that is not
    /// supported.</exception>
    public static ModelOptions OptionsFor(string adapterFolder, string baseFolder) =>
        OptionsFor([adapterFolder], baseFolder);

    /// <summary>
    /// Options to load a base model with for several adapters: task and labels of the first one, the largest of their
    /// vocabularies.
    /// </summary>
    /// <param name="adapterFolders">The adapters; those of the base itself where there are none.</param>
    /// <param name="baseFolder">The base model.</param>
    /// <exception cref="ModelFormatException">A file is broken, or the first adapter is of a kind that is not
    /// supported.</exception>
    public static ModelOptions OptionsFor(IReadOnlyList<string> adapterFolders, string baseFolder)
    {
        if (adapterFolders.Count == 0) return new ModelOptions();
        var (options, config) = (TaskAndLabels(adapterFolders[0], baseFolder), FamilyTable.Read(baseFolder));
        if (options.Task is { } task && Lacks(task, config))
            throw new ModelFormatException($"The adapter does not fit this {config.ModelType} model: it was made for "
                + $"another family, as it is for {task.PeftName()} and the model has no head that writes texts.",
                adapterFolders[0], "Use the base it was made for.").As(AdapterMisfit.OtherFamily);
        var writesText = (options.Task ?? config.Task)?.WritesText() ?? true;
        return options with { VocabularySize = AdapterVocabulary.SizeFor(adapterFolders, config, writesText) };
    }

    private static bool Lacks(ModelTask task, TransformerConfig config) => task == ModelTask.CausalLM
        && FamilyTable.Find(config.ModelType, "config.json").Names.LanguageModelHead is null;

    private static ModelOptions TaskAndLabels(string adapterFolder, string baseFolder)
    {
        var task = TaskOf(adapterFolder);
        // Which of the two ways of writing text it is, the base decides: task_type is often left as a recipe had it.
        if (task?.WritesText() == true)
            task = FamilyTable.Read(baseFolder).Encoder is null ? ModelTask.CausalLM : ModelTask.SequenceToSequence;
        // An adapter of hidden states goes with whatever head the base has.
        if (task is null or ModelTask.FeatureExtraction) return new ModelOptions();
        if (task.Value.WritesText()) return new ModelOptions { Task = task };
        if (Find(adapterFolder) is { } file) return Read(file) with { Task = task };
        var hub = Path.Combine(adapterFolder, HubHead);
        if (File.Exists(hub)) return new ModelOptions { Task = task, Labels = ReadHub(StrictJson.ReadFile(hub)) };
        var count = HeadOutputs(adapterFolder, baseFolder, task.Value);
        var own = FamilyTable.Read(baseFolder).Labels;
        return new ModelOptions
        {
            Task = task, Labels = count is null || own.Count == count
                ? null : [.. Enumerable.Range(0, count.Value).Select(i => $"LABEL_{i}")],
        };
    }

    private static string? Find(string adapterFolder)
    {
        var above = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(adapterFolder)));
        return new[] { adapterFolder, above }.OfType<string>().Select(f => Path.Combine(f, FileName))
            .FirstOrDefault(File.Exists);
    }

    private static ModelTask? TaskOf(string folder)
    {
        // AdapterHub's files say it otherwise, if at all.
        var type = AdapterFolder.ReadConfig(folder).TaskType
            ?? StrictJson.ReadFile(Path.Combine(folder, AdapterFolder.ConfigName)).GetOptionalString("task_type");
        return ModelTasks.FromPeft(type);
    }

    private static string[]? ReadHub(StrictObject head)
    {
        if (head.GetOptionalObject("label2id") is { } map) return [.. map.Keys.OrderBy(map.GetInt)];
        return head.GetOptionalInt("num_labels") is { } count
            ? [.. Enumerable.Range(0, count).Select(i => $"LABEL_{i}")] : null;
    }

    private static ModelOptions Read(string file)
    {
        var json = StrictJson.ReadFile(file);
        var problem = json.GetString("problem_type");
        return new ModelOptions
        {
            Labels = Names(json),
            ProblemType = ProblemTypes.FromHub(problem)
                ?? throw json.Error("problem_type", $"The problem type '{problem}' is not known."),
        };
    }

    private static string[] Names(StrictObject json) => json.GetObject("id2label") is var map
        ? [.. Enumerable.Range(0, map.Keys.Count()).Select(i => map.GetString($"{i}"))] : [];

    // The outputs of the classifier in the adapter's file, where it brings one.
    private static int? HeadOutputs(string adapterFolder, string baseFolder, ModelTask task)
    {
        var path = AdapterFolder.WeightsNames.Select(n => AdapterFolder.FindWeights(adapterFolder, n))
            .LastOrDefault(found => found is not null);
        if (path is null) return null;
        var config = FamilyTable.Read(baseFolder);
        var names = FamilyTable.Find(config.ModelType, baseFolder).Names;
        var head = task == ModelTask.SequenceClassification ? names.SequenceHead : names.TokenHead;
        using var file = TensorFiles.Open(path);
        var weight = file.Tensors.FirstOrDefault(t => t.Shape.Length == 2
            && t.Name.EndsWith($"{head}.weight", StringComparison.Ordinal));
        return weight is null ? null : checked((int)weight.Shape[0]);
    }
}
