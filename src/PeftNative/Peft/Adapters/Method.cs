using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// A method of adapting as the rest of the program sees it: what it is called, its settings, its usual rates, its
/// files, and what else can be done with its adapters. Each method has one page, and <see cref="Methods"/> lists them.
/// Immutable and thread-safe.
/// </summary>
public abstract class Method
{
    private protected Method(string name, string peftType, string title, AdapterConfig usual) =>
        (Name, PeftType, Title, Compared) = (name, peftType, title, usual);

    /// <summary>Its name for users: lora, ia3, ...</summary>
    public string Name { get; }

    /// <summary>peft_type of its files: LORA, IA3, ...</summary>
    public string PeftType { get; }

    /// <summary>Its name in texts.</summary>
    public string Title { get; }

    /// <summary>Its settings; those that a user may give in the order in which they are listed.</summary>
    public IReadOnlyList<ConfigKey> Keys => KeysOfPage;

    /// <summary>
    /// Whether it trains the model's own parameters, or some of them, instead of adding an adapter: what the methods
    /// are compared with.
    /// </summary>
    public bool IsBaseline { get; init; }

    /// <summary>Its name, and those that stand for it with some settings fixed.</summary>
    public IEnumerable<string> Names => [Name, .. Presets.Select(p => p.Name)];

    /// <summary>The keys that a user may give.</summary>
    public IEnumerable<ConfigKey> AskedKeys => Keys.Where(k => k.IsAsked);

    /// <summary>Other names of it, each with settings that it stands for.</summary>
    internal IReadOnlyList<MethodPreset> Presets { get; init; } = [];

    /// <summary>The learning rates of training.</summary>
    internal UsualRates TrainRates { get; init; } = null!;

    /// <summary>The learning rate of comparisons, at a width of 768; theirs go by the width for every method.</summary>
    internal double ComparedRate { get; init; }

    /// <summary>Its settings in comparisons.</summary>
    internal AdapterConfig Compared { get; init; }

    /// <summary>What stands against it on a model, in a sentence; null where nothing does.</summary>
    internal Func<TransformerModel, string?> Obstacle { get; init; } = _ => null;

    /// <summary>The files that its tensors lie in.</summary>
    internal IReadOnlyList<MethodFile> Files { get; init; } = [AdapterFiles.Weights];

    /// <summary>Whose releases know its settings, and up to which one.</summary>
    internal string Releases { get; init; } = $"PEFT up to {AdapterConfig.FormatVersion}";

    /// <summary>The parts of names of tensors that files may have the adapter's name behind.</summary>
    internal IReadOnlyList<string> NamedParts { get; init; } = [];

    /// <summary>Formats of other programs that its adapters can be written in.</summary>
    internal IReadOnlyList<AdapterExport> Exports { get; init; } = [];

    /// <summary>Whether its adapters change weights, so that they can be merged into them.</summary>
    internal bool IsMergeable { get; init; } = true;

    /// <summary>Makes one adapter of several, with a weight each and a name; null where that cannot be.</summary>
    internal Func<IReadOnlyList<Adapter>, IReadOnlyList<double>, WeightedMergeOptions, string, Adapter>? Combine
    {
        get;
        init;
    }

    /// <summary>Whether an adapter_config.json is of this method.</summary>
    public virtual bool Recognises(StrictObject json) => json.GetOptionalString("peft_type") == PeftType;

    /// <summary>Reads a parsed adapter_config.json.</summary>
    /// <exception cref="ModelFormatException">A key has the wrong type, or asks for something that would change the
    /// result and is not supported.</exception>
    public abstract AdapterConfig Read(StrictObject json);

    /// <summary>The object for adapter_config.json, with every key that PEFT writes.</summary>
    public abstract JsonObject Write(AdapterConfig config);

    /// <summary>
    /// Settings as a user gives them: what is not given is what it usually is, or follows from what is.
    /// </summary>
    /// <param name="given">Values by key.</param>
    /// <param name="baseModel">base_model_name_or_path.</param>
    /// <exception cref="UsageException">A value is impossible.</exception>
    public abstract AdapterConfig FromSettings(JsonObject given, string? baseModel);

    /// <summary>Settings with some exchanged.</summary>
    /// <exception cref="UsageException">A value is impossible.</exception>
    public abstract AdapterConfig Change(AdapterConfig config, JsonObject given);

    /// <summary>The values of the keys that a user may give.</summary>
    public abstract JsonObject Settings(AdapterConfig config);

    /// <summary>Makes an adapter for a model.</summary>
    /// <exception cref="UsageException">The model or the settings speak against it.</exception>
    internal abstract Adapter NewAdapter(TransformerModel model, AdapterConfig config, AdapterStart start);

    /// <summary>
    /// Opens the tensors of a folder that another program wrote, under PEFT's names; null where the files are as
    /// <see cref="Files"/> says.
    /// </summary>
    /// <exception cref="ModelFormatException">The file is not sound.</exception>
    internal virtual TensorFile? OpenForeign(string folder, TransformerModel model) => null;

    private protected abstract IReadOnlyList<ConfigKey> KeysOfPage { get; }
}
