using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Models;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// What every adapter_config.json has; each method adds its own keys, spelled as in Hugging Face PEFT. Immutable.
/// </summary>
public abstract record AdapterConfig
{
    /// <summary>The PEFT release whose key set and file format is written.</summary>
    public const string FormatVersion = "0.21.2";

    /// <summary>The method that they are for.</summary>
    public abstract Method Method { get; }

    /// <summary>peft_type: LORA, IA3, ...</summary>
    public string PeftType => Method.PeftType;

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
    /// <exception cref="UsageException">The settings are impossible, or the model has no place for the
    /// method.</exception>
    public Adapter Create(TransformerModel model, ulong seed, bool trainable, string name) =>
        Method.NewAdapter(model, this, new AdapterStart(seed, trainable, name));

    /// <summary>The settings with everything filled in that depends on the model.</summary>
    /// <exception cref="UsageException">They do not fit the model.</exception>
    public abstract AdapterConfig Complete(TransformerModel model);

    /// <summary>Positions that it takes in front of every sequence: virtual tokens, or a prefix.</summary>
    internal virtual int LeadingPositions => 0;

    /// <summary>
    /// The settings for an adapter whose weights come from files: those of methods that train through an encoder, which
    /// is not stored, then make an adapter without it.
    /// </summary>
    public AdapterConfig AsStored() => this with { IsStored = true };

    /// <summary>Whether the weights come from files.</summary>
    public bool IsStored { get; init; }

    /// <summary>The settings with the name of another base, for its files.</summary>
    internal virtual AdapterConfig OnBase(string name) => this with { BaseModel = name };

    /// <summary>The settings with what only the tokenizer of the base can tell.</summary>
    /// <exception cref="UsageException">Something is missing that it would have to tell of.</exception>
    public virtual AdapterConfig WithTokenizer(ITokenizer tokenizer) => this;

    /// <summary>The settings with the modules by name that the method chooses for a model by itself.</summary>
    /// <exception cref="UsageException">It cannot choose any.</exception>
    internal virtual AdapterConfig WithTargets(TransformerModel model) => this;

    /// <summary>The object for adapter_config.json, with every key PEFT writes.</summary>
    public JsonObject ToJson() => Method.Write(this);

    /// <summary>The task to write: that of the model, but for files that name none.</summary>
    protected string? TaskTypeFor(TransformerModel model) => IsStored && TaskType is null
        ? null : model.Task.PeftName();

    /// <summary>
    /// The modules trained whole for a task: those asked for and, for classifiers, PEFT's two names of heads.
    /// </summary>
    protected internal IReadOnlyList<string> ModulesToSaveFor(TransformerModel model)
    {
        var names = (ModulesToSave ?? []).ToList();
        // PEFT writes no head where it was told no task, or one without.
        var hasNoHead = TaskType is null || TaskType == ModelTask.FeatureExtraction.PeftName();
        if (model.Task.Classifies() && !(IsStored && hasNoHead))
            foreach (var head in (ReadOnlySpan<string>)["classifier", "score"])
                if (!names.Contains(head)) names.Add(head);
        return names;
    }

    /// <summary>Whether a value of the file is null, false or empty.</summary>
    internal static bool IsOff(JsonElement value) => value.ValueKind is JsonValueKind.Null or JsonValueKind.False
        || (value.ValueKind is JsonValueKind.Object && !value.EnumerateObject().Any())
        || (value.ValueKind is JsonValueKind.Array && value.GetArrayLength() == 0);
}
