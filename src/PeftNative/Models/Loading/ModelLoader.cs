using PeftNative.Determinism;
using PeftNative.Formats;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading.Stored;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Models.Loading;

/// <summary>What a caller wants of a model beyond what its folder says.</summary>
public sealed record ModelOptions
{
    /// <summary>The task; null for what config.json says, or what the family is made for.</summary>
    public ModelTask? Task { get; init; }

    /// <summary>
    /// The labels of a classifier; null for those of config.json. Their number decides the size of a head that has to
    /// be created.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>What a sequence classifier predicts; null for what config.json says.</summary>
    public ProblemType? ProblemType { get; init; }

    /// <summary>How the frozen linear layers are quantised; null to keep them in the backend's type.</summary>
    public QuantizationOptions? Quantization { get; init; }

    /// <summary>
    /// Rows of the token embedding and of a language model's head, where adapters bring more than the checkpoint has;
    /// null for its own. Each new row is the mean of the old ones.
    /// </summary>
    public int? VocabularySize { get; init; }

    /// <summary>Seed for parameters that the checkpoint lacks.</summary>
    public ulong Seed { get; init; }
}

/// <summary>What loading found.</summary>
/// <param name="Created">Parameters the checkpoint lacks, drawn from the seed: heads and poolers only.</param>
/// <param name="Unused">Tensors of the checkpoint that the model has no place for.</param>
/// <param name="Sources">For every parameter the checkpoint holds, the name of its tensor there.</param>
public sealed record LoadReport(IReadOnlyList<string> Created, IReadOnlyList<string> Unused,
    IReadOnlyDictionary<Parameter, string> Sources)
{
    /// <summary>What is odd about the checkpoint, in sentences; empty when all is well.</summary>
    public IReadOnlyList<string> Doubts { get; init; } = [];

    /// <summary>The weights that the checkpoint keeps quantised, and how.</summary>
    internal IReadOnlyDictionary<Parameter, StoredWeight> Quantized { get; init; } =
        new Dictionary<Parameter, StoredWeight>();

    /// <summary>Whether the checkpoint has a parameter.</summary>
    internal bool Has(Parameter parameter) => Sources.ContainsKey(parameter) || Quantized.ContainsKey(parameter);
}

/// <summary>Loads Hugging Face checkpoint folders, and GGUF files, as they really are.</summary>
public static class ModelLoader
{
    /// <summary>
    /// Loads a model folder: config.json and model.safetensors, or shards with an index; or a .gguf file, of a split
    /// model the first.
    /// </summary>
    /// <param name="backend">Computes with the model, which must be disposed before it.</param>
    /// <param name="folder">The folder, or the file.</param>
    /// <param name="options">What is wanted beyond what the folder says.</param>
    /// <param name="progress">Told the weights that have been read, after each parameter.</param>
    /// <param name="cancellation">Stops the work between two parameters.</param>
    /// <exception cref="ModelFormatException">A file is broken, the model is not supported, or weights are missing,
    /// misshapen or, of a .gguf file, without a place.</exception>
    /// <exception cref="StorageException">The folder cannot be read.</exception>
    /// <exception cref="ResourceException">There is not enough memory.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is left behind.</exception>
    public static (TransformerModel Model, LoadReport Report) Load(
        IBackend backend, string folder, ModelOptions? options = null, IProgress<WorkProgress>? progress = null,
        CancellationToken cancellation = default) =>
        Load(backend, folder, options ?? new ModelOptions(), new Work("loading", progress, cancellation));

    /// <summary>
    /// What is odd about a checkpoint folder, in sentences, without loading it; empty when all is well.
    /// </summary>
    /// <exception cref="ModelFormatException">A file is broken, or the model is not supported.</exception>
    /// <exception cref="StorageException">The folder cannot be read.</exception>
    public static IReadOnlyList<string> Doubts(string folder)
    {
        var config = WithOptions(FamilyTable.Read(folder), new ModelOptions());
        var isTied = config.Task!.Value.WritesText() && config.IsTied;
        if (!isTied && !GgufConfig.IsFile(folder)) return [];
        using var source = WeightSource.Open(folder);
        var family = FamilyOf(config);
        var tie = isTied ? TiedHead.Find(family, new CheckpointNames(family, source, config), source) : null;
        var window = source.Gguf is { } values ? GgufConfig.Doubt(values, config) : null;
        return [.. new[] { tie?.Doubt(config), window }.OfType<string>()];
    }

    internal static (TransformerModel Model, LoadReport Report) Load(IBackend backend, string folder,
        ModelOptions options, Work work)
    {
        var stored = FamilyTable.Read(folder);
        options.Quantization?.Validate(backend);
        var source = WeightSource.Open(folder);
        var isKept = false;
        try
        {
            var loaded = Load(backend, folder, options, work, stored, source);
            // Blocks are read where they lie in the file.
            isKept = source.Gguf is not null && backend.ReadsMappedFiles;
            if (isKept) loaded.Model.Files = source;
            return loaded;
        }
        finally
        {
            if (!isKept) source.Dispose();
        }
    }

    private static (TransformerModel Model, LoadReport Report) Load(IBackend backend, string folder,
        ModelOptions options, Work work, TransformerConfig stored, WeightSource source)
    {
        var config = WithOptions(stored, options);
        var names = new CheckpointNames(FamilyOf(config), source, config);
        var forms = new StoredForms(names, source, StoredQuantization.Read(folder));
        var model = Create(backend, config, options.Quantization, forms.Holds, names.Gguf is not null);
        try
        {
            model.Folder = folder;
            model.AddedTokens = config.VocabularySize - stored.VocabularySize;
            var filler = new WeightFiller(model, source, names, forms, options.Quantization);
            return (model, filler.Fill(options.Seed, work));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Builds a model with random weights, N(0, initializer_range) as the families initialise theirs: for pretraining
    /// and benchmarks.
    /// </summary>
    /// <param name="backend">Computes with the model, which must be disposed before it.</param>
    /// <param name="config">The model.</param>
    /// <param name="seed">The weights are a function of it.</param>
    /// <param name="quantization">How the frozen linear layers are quantised; null to keep them in the backend's
    /// type.</param>
    /// <param name="cancellation">Stops the work between two parameters.</param>
    public static TransformerModel CreateRandom(
        IBackend backend, TransformerConfig config, ulong seed, QuantizationOptions? quantization = null,
        CancellationToken cancellation = default)
    {
        quantization?.Validate(backend);
        var model = Create(backend, config, quantization);
        try
        {
            foreach (var parameter in model.Parameters.Where(p => p.TiedTo is null))
            {
                cancellation.ThrowIfCancellationRequested();
                WeightFiller.Initialize(model, parameter,
                    new RandomStream(seed, RandomPurpose.ModelInitialization, (ulong)parameter.Index), quantization);
            }
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static TransformerModel Create(IBackend backend, TransformerConfig config,
        QuantizationOptions? quantization, Func<Parameter, bool>? isStoredQuantized = null, bool keepsConv1D = false)
    {
        var task = config.Task!.Value;
        var outputs = Math.Max(1, config.Labels.Count);
        var weights = new Arena(backend, "weights");
        try
        {
            return new ModelBuilder(
                backend, config, task, outputs, weights, quantization, isStoredQuantized, keepsConv1D).Build();
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private static Family FamilyOf(TransformerConfig config) =>
        FamilyTable.Find(config.ModelType, "config.json").For(config.Task!.Value);

    private static TransformerConfig WithOptions(TransformerConfig config, ModelOptions options)
    {
        var names = FamilyTable.Find(config.ModelType, "config.json").Names;
        var task = options.Task ?? config.Task
            ?? (config.Encoder is not null ? ModelTask.SequenceToSequence
                : names.LanguageModelHead is null ? ModelTask.SequenceClassification : ModelTask.CausalLM);
        if (task == ModelTask.SequenceToSequence != config.Encoder is not null)
            throw new UsageException(config.Encoder is null
                ? $"A {config.ModelType} model has no encoder beside its decoder, which sequence-to-sequence tasks "
                + "need."
                : $"A {config.ModelType} model turns one text into another, and is not made for {task}.",
                remedy: config.Encoder is null ? "Use --task causal_lm, or a T5 model." : "Use --task seq_2_seq_lm.");
        var labels = options.Labels ?? config.Labels;
        // transformers gives a classifier without any word about labels two of them.
        if (task.Classifies() && labels.Count == 0) labels = ["LABEL_0", "LABEL_1"];
        var problem = options.ProblemType ?? config.ProblemType
            ?? (task == ModelTask.SequenceClassification && labels.Count == 1
                ? ProblemType.Regression : ProblemType.SingleLabel);
        var size = options.VocabularySize ?? config.VocabularySize;
        if (size < config.VocabularySize)
            throw new UsageException($"The vocabulary of {config.VocabularySize} tokens cannot shrink to {size}.");
        return config with { Task = task, Labels = labels, ProblemType = problem, VocabularySize = size };
    }
}
