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

    /// <summary>The module tree.</summary>
    public required ModuleNames Names { get; init; }

    /// <summary>Reads config.json into the engine's words.</summary>
    public required Func<ConfigReader, TransformerConfig> ReadConfig { get; init; }

    /// <summary>LoRA's default target modules; empty where PEFT has none.</summary>
    public string[] LoraTargets { get; init; } = [];

    /// <summary>IA3's default target modules.</summary>
    public string[] Ia3Targets { get; init; } = [];

    /// <summary>Those of them that IA3 scales at the input.</summary>
    public string[] Ia3FeedForward { get; init; } = [];

    /// <summary>
    /// Modules that files spell otherwise than the module tree: the tree's spelling to the files', the likeliest first.
    /// </summary>
    public IReadOnlyDictionary<string, string[]> StoredNames { get; init; } = new Dictionary<string, string[]>();

    /// <summary>
    /// Ends of tensor names that checkpoints of the family hold although nothing is computed from them.
    /// </summary>
    public string[] IgnoredTensors { get; init; } = [];

    /// <summary>The class of its models in transformers for a task, e.g. BertForSequenceClassification.</summary>
    public string ClassFor(ModelTask task) => task switch
    {
        ModelTask.CausalLM => ClassStem == "GPT2" ? "GPT2LMHeadModel" : $"{ClassStem}ForCausalLM",
        ModelTask.SequenceToSequence => $"{ClassStem}ForConditionalGeneration",
        ModelTask.SequenceClassification => $"{ClassifierStem ?? ClassStem}ForSequenceClassification",
        _ => $"{ClassifierStem ?? ClassStem}ForTokenClassification",
    };
}
