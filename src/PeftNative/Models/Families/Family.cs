using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>
/// One model family: how its config.json reads, where its modules lie, and which modules PEFT adapts by default. A new
/// family is one such object in <see cref="FamilyTable"/>.
/// </summary>
public sealed record Family
{
    /// <summary>model_type of config.json.</summary>
    public required string ModelType { get; init; }

    /// <summary>What the names of its classes in transformers begin with: GPTNeoX of GPTNeoXForCausalLM.</summary>
    public required string ClassStem { get; init; }

    /// <summary>Likewise where classifiers have another stem than the rest; null for the same.</summary>
    public string? ClassifierStem { get; init; }

    /// <summary>Its language model's class in transformers, where that is not [stem]ForCausalLM; null else.</summary>
    public string? CausalClass { get; init; }

    /// <summary>Whether transformers has classifiers of it.</summary>
    internal bool HasClassifiers { get; init; } = true;

    /// <summary>The module tree.</summary>
    public required ModuleNames Names { get; init; }

    /// <summary>Reads config.json into the engine's words.</summary>
    public required Func<ConfigReader, TransformerConfig> ReadConfig { get; init; }

    /// <summary>The modules that methods adapt where their settings name none.</summary>
    internal MethodTargets Targets { get; init; } = MethodTargets.None;

    /// <summary>Where AdapterHub puts bottleneck adapters.</summary>
    internal HubPlaces HubPlaces { get; init; } = new("attention_adapters", "output_adapters");

    /// <summary>How llama.cpp has it; null where it has no such language model.</summary>
    internal GgufArchitecture? Gguf { get; init; }

    /// <summary>
    /// What mlx-lm calls the beginnings of its module names where these differ; null where it has no such language
    /// model.
    /// </summary>
    public IReadOnlyList<(string Own, string Theirs)>? MlxNames { get; init; }

    /// <summary>
    /// Modules that files spell otherwise than the module tree: the tree's spelling to the files', the likeliest first.
    /// </summary>
    public IReadOnlyDictionary<string, string[]> StoredNames { get; init; } = new Dictionary<string, string[]>();

    /// <summary>
    /// Ends of tensor names that checkpoints of the family hold although nothing is computed from them.
    /// </summary>
    public string[] IgnoredTensors { get; init; } = [];

    /// <summary>
    /// The keys of config.json that ask for dropout in training, each with what its absence asks for.
    /// </summary>
    internal IReadOnlyList<(string Key, double Absent)> DropoutKeys { get; init; } = [];

    /// <summary>The class of its models in transformers for a task, e.g. BertForSequenceClassification.</summary>
    public string ClassFor(ModelTask task) => task switch
    {
        ModelTask.CausalLM => CausalClass ?? $"{ClassStem}ForCausalLM",
        ModelTask.SequenceToSequence => $"{ClassStem}ForConditionalGeneration",
        ModelTask.SequenceClassification => $"{ClassifierStem ?? ClassStem}ForSequenceClassification",
        ModelTask.TokenClassification => $"{ClassifierStem ?? ClassStem}ForTokenClassification",
        _ => $"{ClassStem}Model",
    };

    /// <summary>
    /// The family's names in models for a task: those of transformers' AutoModel, which has no head, begin inside of
    /// what holds the backbone in the others.
    /// </summary>
    internal Family For(ModelTask task) => task != ModelTask.FeatureExtraction ? this : this with
    {
        Names = Names with
        {
            Backbone = Names.Backbone[(Names.Backbone.IndexOf('.', StringComparison.Ordinal) is >= 0 and var dot
                ? dot + 1 : Names.Backbone.Length)..],
            LanguageModelHead = null, Pooler = null,
        },
    };
}

/// <summary>Where AdapterHub puts the adapters of a layer, relative to it.</summary>
/// <param name="Attention">Those after attention.</param>
/// <param name="FeedForward">Those after the feed-forward block.</param>
internal sealed record HubPlaces(string Attention, string FeedForward)
{
    /// <summary>Those after the feed-forward block of an encoder in front of a decoder; null for the same.</summary>
    public string? EncoderFeedForward { get; init; }
}
