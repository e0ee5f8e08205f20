using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Formats;
using PeftNative.Models;

namespace PeftNative.Peft;

/// <summary>
/// What every adapter_config.json has; each method adds its own keys, spelled as in Hugging Face PEFT. Immutable.
/// </summary>
public abstract record AdapterConfig
{
    /// <summary>The PEFT release whose key set and file format is written.</summary>
    public const string FormatVersion = "0.21.2";

    // Keys of every method that are read, or that say nothing about the result.
    private static readonly string[] CommonKeys =
    [
        "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision",
        "task_type",
        "modules_to_save", "runtime_config",
    ];

    /// <summary>peft_type: LORA, IA3, ...</summary>
    public abstract string PeftType { get; }

    /// <summary>base_model_name_or_path: for people and other tools; never opened by itself.</summary>
    public string? BaseModel { get; init; }

    /// <summary>revision of the base, or null.</summary>
    public string? Revision { get; init; }

    /// <summary>modules_to_save: modules trained whole, as copies (a classifier).</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>Keys of the file that no release up to <see cref="FormatVersion"/> knows; they have no effect and are
    /// not saved again.</summary>
    public IReadOnlyList<string> IgnoredKeys { get; init; } = [];

    /// <summary>task_type as PEFT spells it, or null.</summary>
    public string? TaskType { get; init; }

    /// <summary>The only tokens it has numbers for, where these are few; a check has to look at them.</summary>
    internal virtual IEnumerable<int> TokensOfItsOwn => [];

    /// <summary>Makes the adapter for a model; its values are drawn from the seed.</summary>
    public abstract Adapter Create(TransformerModel model, ulong seed, bool trainable, string name);

    /// <summary>
    /// The settings for an adapter whose weights come from files: those of methods that train through an encoder, which
    /// is not stored, then make an adapter without it.
    /// </summary>
    public AdapterConfig AsStored() => this with { IsStored = true };

    /// <summary>Whether the weights come from files.</summary>
    public bool IsStored { get; init; }

    /// <summary>The settings with what only the tokenizer of the base can tell.</summary>
    /// <exception cref="UsageException">Something is missing that it would have to tell of.</exception>
    public virtual AdapterConfig WithTokenizer(ITokenizer tokenizer) => this;

    /// <summary>The settings with the modules by name that the method chooses for a model by itself.</summary>
    /// <exception cref="UsageException">It cannot choose any.</exception>
    internal virtual AdapterConfig WithTargets(TransformerModel model) => this;

    /// <summary>The object for adapter_config.json, with every key PEFT writes.</summary>
    public abstract JsonObject ToJson();

    /// <summary>The task to write: that of the model, but for files that name none.</summary>
    protected string? TaskTypeFor(TransformerModel model) => IsStored && TaskType is null
        ? null : model.Task.PeftName();

    /// <summary>
    /// The modules trained whole for a task: those asked for and, for classifiers, PEFT's two names of heads.
    /// </summary>
    protected IReadOnlyList<string> ModulesToSaveFor(TransformerModel model)
    {
        var names = (ModulesToSave ?? []).ToList();
        // PEFT writes no head where it was told no task.
        if (!model.Task.WritesText() && !(IsStored && TaskType is null))
            foreach (var head in (ReadOnlySpan<string>)["classifier", "score"])
                if (!names.Contains(head)) names.Add(head);
        return names;
    }

    /// <summary>The keys all methods share.</summary>
    protected JsonObject CommonJson() => new()
    {
        ["auto_mapping"] = null,
        ["base_model_name_or_path"] = BaseModel,
        ["inference_mode"] = true,
        ["peft_type"] = PeftType,
        ["peft_version"] = FormatVersion,
        ["revision"] = Revision,
        ["task_type"] = TaskType,
    };

    /// <summary>
    /// The keys of a file that PEFT's <see cref="FormatVersion"/> does not know and, as it does, passes over. What it
    /// knows and is not read here may stay at null, false or empty; any other value would change the result in silence.
    /// </summary>
    /// <param name="json">The file.</param>
    /// <param name="read">Keys that are read, or that say nothing about the result.</param>
    /// <param name="unsupported">Keys that change the result, and are not read.</param>
    /// <exception cref="ModelFormatException">One of these has a value.</exception>
    protected static IReadOnlyList<string> UnknownKeys(
        StrictObject json, IReadOnlyCollection<string> read, params IReadOnlyCollection<string> unsupported)
    {
        foreach (var key in json.Keys.Where(k => unsupported.Contains(k) && !read.Contains(k)))
            if (!IsOff(json.Element.GetProperty(key)))
                throw json.Error(key,
                    $"The {json.GetString("peft_type")} setting '{key}' is not supported, and ignoring it could change "
                        + "the result.", "Make the adapter without it, or merge it with the tool that made it.");
        List<string> unknown = [.. json.Keys.Except([.. read, .. unsupported, .. CommonKeys])];
        return unknown.Count > 0 ? unknown : []; // settings without any are equal
    }

    /// <summary>Whether a value of the file is null, false or empty.</summary>
    internal static bool IsOff(JsonElement value) => value.ValueKind is JsonValueKind.Null or JsonValueKind.False
        || (value.ValueKind is JsonValueKind.Object && !value.EnumerateObject().Any())
        || (value.ValueKind is JsonValueKind.Array && value.GetArrayLength() == 0);

    /// <summary>A list of names as JSON, or null.</summary>
    protected static JsonNode? ListJson(IEnumerable<string>? names) =>
        names is null ? null : new JsonArray([.. names.Select(n => (JsonNode)JsonValue.Create(n))]);

    /// <summary>modules_to_save of a file: a list, or null; doubled names (older PEFT wrote them) count once.</summary>
    protected static IReadOnlyList<string>? ReadModulesToSave(StrictObject json) =>
        json.GetOptionalStringList("modules_to_save")?.Distinct().ToList();
}
