using PeftNative.Formats.Json;
using PeftNative.Ops;

namespace PeftNative.Models.Config;

/// <summary>
/// Reads a config.json of transformers 4 or 5 for the families: keys by any of their names, activations, rotary
/// settings, labels. Values that would lead to absurd allocations are refused here. Used by one thread at a time.
/// </summary>
public sealed partial class ConfigReader
{
    private const int Largest = 1 << 24;
    private readonly StrictObject json;

    internal ConfigReader(StrictObject json) => this.json = json;

    /// <summary>A family's reading of the file, if it does not contradict itself.</summary>
    /// <exception cref="ModelFormatException">It does.</exception>
    internal TransformerConfig Check(TransformerConfig config)
    {
        if (config.HeadCount % config.KvHeadCount != 0)
            throw Error($"{config.HeadCount} attention heads cannot share {config.KvHeadCount} key/value heads evenly");
        if ((long)config.HeadCount * config.HeadDim > Largest)
            throw Error($"{config.HeadCount} heads of {config.HeadDim} columns are more than {Largest} columns");
        if (config is { ResidualScale: not 1, NormPlacement: NormPlacement.Around or NormPlacement.Output })
            throw Error("what a sub-block puts out has either a norm or a factor, and not both");
        // A small share of a small head is no column: then nothing turns, as in the reference.
        config = config.WithLayers((layer, _) => layer.Rope is { RotaryDim: 0 } ? layer with { Rope = null } : layer);
        foreach (var rope in config.Layers.Select(layer => layer.Rope).OfType<RopeSettings>())
            if (rope.RotaryDim < 2 || rope.RotaryDim > config.HeadDim || rope.RotaryDim % 2 != 0)
                throw Error($"rotary positions of {rope.RotaryDim} columns do not fit heads of {config.HeadDim}");
        return config;
    }

    /// <summary>What all families share; the required members are placeholders that every family overwrites.</summary>
    internal TransformerConfig Common() => new()
    {
        ModelType = json.GetString("model_type"),
        HiddenSize = 0, Layers = [], HeadCount = 1, KvHeadCount = 1, HeadDim = 0, FeedForwardSize = 0,
        VocabularySize = 0,
        MaxPositions = 0, Norm = NormKind.LayerNorm, NormEpsilon = 0, NormPlacement = NormPlacement.Before,
        Activation = Ops.Activation.Identity, Causal = false,
        InitializerRange = Double("initializer_range", 0.02),
        Labels = Labels(),
        ProblemType = Problem(),
        Task = Task(),
        EosTokenIds = EndIds(),
        PadTokenId = json.GetOptionalInt("pad_token_id"),
    };

    /// <summary>A positive size under the first of its names that is there.</summary>
    internal int Int(params string[] names)
    {
        var name = names.FirstOrDefault(json.Has) ?? names[0];
        return Positive(name, json.GetInt(name));
    }

    /// <summary>A positive size, or null.</summary>
    internal int? OptionalInt(string name) => json.GetOptionalInt(name) is { } value ? Positive(name, value) : null;

    /// <summary>A whole number of any value, or null.</summary>
    internal int? OptionalIntOrZero(string name) => json.GetOptionalInt(name);

    /// <summary>Whole numbers, one for each of so many layers; or null.</summary>
    internal IReadOnlyList<int>? OptionalInts(string name, int layers) => !json.Has(name) ? null
        : json.GetIntList(name) is var values && values.Count == layers ? values
        : throw json.Error(name, $"{name} has {values.Count} entries for {layers} layers.");

    /// <summary>Types of layers written as [[[type, ...], times], ...], one for each of so many layers.</summary>
    internal IReadOnlyList<string> RepeatedTypes(string name, int layers)
    {
        List<string> types = [];
        if (!json.Has(name)) throw json.Error(name, $"'{name}' is missing.");
        try
        {
            foreach (var group in json.Element.GetProperty(name).EnumerateArray())
            {
                string[] kinds = [.. group[0].EnumerateArray().Select(kind => kind.GetString() ?? "")];
                var left = kinds.Length == 0 ? 0 : group[1].GetInt32();
                for (; left > 0 && types.Count <= layers; left--) types.AddRange(kinds);
            }
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or IndexOutOfRangeException)
        {
            throw json.Error(name, $"'{name}' must be a list of pairs: types of layers, and how often they come.");
        }
        return types.Count == layers ? types
            : throw json.Error(name, $"{name} has {types.Count} entries for {layers} layers.");
    }

    /// <summary>Whether a text is there.</summary>
    internal bool IsText(string name) =>
        json.Has(name) && json.Element.GetProperty(name).ValueKind == System.Text.Json.JsonValueKind.String;

    /// <summary>A text, or null.</summary>
    internal string? Text(string name) => json.GetOptionalString(name);

    /// <summary>A number, or null.</summary>
    internal double? OptionalDouble(string name) => json.GetOptionalDouble(name);

    /// <summary>A number, or its default.</summary>
    internal double Double(string name, double fallback) => json.GetDouble(name, fallback);

    /// <summary>True or false, or its default.</summary>
    internal bool Bool(string name, bool fallback) => json.GetBool(name, fallback);

    /// <summary>A quotient that must be whole.</summary>
    internal int Divide(string what, int dividend, string by, int divisor) => dividend % divisor == 0
        ? dividend / divisor
        : throw Error($"{what} {dividend} is not a multiple of {by} {divisor}");

    /// <summary>The activation that a key names.</summary>
    internal Activation Activation(string key, string fallback) => FindActivation(json.GetString(key, fallback))
        ?? throw json.Error(key, $"The activation '{json.GetString(key, fallback)}' is not supported.",
            "Supported: gelu, gelu_new, gelu_pytorch_tanh, relu, silu, tanh.");

    /// <summary>An activation by its Hugging Face name, or null.</summary>
    internal static Activation? FindActivation(string name) => name switch
    {
        "gelu" or "gelu_python" => Ops.Activation.Gelu,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => Ops.Activation.GeluTanh,
        "relu" => Ops.Activation.Relu,
        "silu" or "swish" => Ops.Activation.Silu,
        "tanh" => Ops.Activation.Tanh,
        _ => null,
    };

    /// <summary>
    /// The sliding window in use, or 0. Some families keep a width in config.json and a switch beside it.
    /// </summary>
    internal int Window(bool isOn = true) => isOn ? OptionalInt("sliding_window") ?? 0 : 0;

    /// <summary>The layers of a model of which some have a sliding window: those that layer_types names or, where
    /// it is absent, those of a rule.</summary>
    /// <param name="config">The model, with its layers as they are without a window.</param>
    /// <param name="window">The width; 0 for none.</param>
    /// <param name="rule">Whether a layer has the window.</param>
    /// <param name="rope">Rotary positions of the layers with a window; null for those of the others.</param>
    internal IReadOnlyList<LayerPlan> Plan(TransformerConfig config, int window, Func<int, bool> rule,
        RopeSettings? rope = null)
    {
        const string Key = "layer_types", Sliding = "sliding_attention", Full = "full_attention";
        var types = json.GetOptionalStringList(Key);
        if (types is not null && types.Count != config.LayerCount)
            throw json.Error(Key, $"{Key} has {types.Count} entries for {config.LayerCount} layers.");
        if (types?.FirstOrDefault(type => type is not (Sliding or Full)) is { } other)
            throw json.Error(Key, $"The layer type '{other}' is not supported.", $"Supported: {Full}, {Sliding}.");
        return config.WithLayers((layer, i) => (types is null ? rule(i) : types[i] == Sliding)
            ? layer with { Window = window, Rope = rope ?? layer.Rope } : layer).Layers;
    }

    /// <summary>The error for a config.json that contradicts itself.</summary>
    internal ModelFormatException Error(string what, string? remedy = null) => new($"{what}.", json.File, remedy);

    private int Positive(string name, int value) => value is > 0 and <= Largest
        ? value
        : throw json.Error(name, $"'{name}' must be between 1 and {Largest}, found {value}.");

    private ProblemType? Problem() => json.GetOptionalString("problem_type") is not { } name ? null
        : ProblemTypes.FromHub(name) ?? throw json.Error("problem_type", $"The problem type '{name}' is not known.");

    private ModelTask? Task() =>
        json.GetOptionalStringList("architectures") is [var first, ..] ? ModelTasks.FromClass(first) : null;

    /// <summary>The tokens that end a text; none where the file names none.</summary>
    internal int[] EndIds()
    {
        if (!json.Has("eos_token_id")) return [];
        var isList = json.Element.GetProperty("eos_token_id").ValueKind == System.Text.Json.JsonValueKind.Array;
        return isList ? [.. json.GetIntList("eos_token_id")] : [json.GetInt("eos_token_id")];
    }

    // id2label is an object whose keys are the numbers; labels must be numbered from 0 without holes.
    private string[] Labels()
    {
        if (json.GetOptionalObject("id2label") is not { } map)
            return json.GetOptionalInt("num_labels") is { } n
                ? [.. Enumerable.Range(0, Positive("num_labels", n)).Select(i => $"LABEL_{i}")] : [];
        var keys = map.Keys.ToList();
        var labels = new string[keys.Count];
        foreach (var key in keys)
        {
            if (!int.TryParse(key, out var id) || id < 0 || id >= labels.Length)
                throw json.Error("id2label", $"The label number '{key}' is not one of 0 to {labels.Length - 1}.");
            labels[id] = map.GetString(key);
        }
        return labels;
    }
}
