using System.Text.Json.Nodes;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Peft.Bottleneck;

/// <summary>
/// Bottleneck adapters: down to a few features, an activation, up again, added to a sub-block's output. A classifier on
/// top is trained in place. Files are AdapterHub's: the adapter's own, and the model's head in files of its own.
/// Used by one thread at a time, like its backend.
/// </summary>
public sealed class BottleneckAdapter : Adapter
{
    /// <summary>Name of the head's weights file.</summary>
    internal const string HeadFile = "model_head.safetensors";

    /// <summary>Name of the weights file.</summary>
    internal const string AdapterFile = "adapter.safetensors";

    private const string HeadConfig = "head_config.json";

    private readonly BottleneckBlock?[] blocks;
    private readonly IReadOnlyList<AdapterEntry> storedEntries;
    private readonly BottleneckConfig config;

    internal BottleneckAdapter(TransformerModel model, BottleneckConfig config, AdapterStart start)
        : base(model, config, start.Name)
    {
        this.config = config;
        blocks = new BottleneckBlock?[model.Blocks.Count];
        var activation = ConfigReader.FindActivation(config.NonLinearity)
            ?? throw new UsageException($"The non_linearity '{config.NonLinearity}' is not supported.",
                remedy: "Use relu, gelu, gelu_new, swish or tanh.");
        foreach (var place in model.Blocks.Select(b => b.Place))
            if (IsWanted(place)) blocks[place.Depth] = NewBlock(place, activation);
        if (!blocks.Any(b => b is not null))
            throw new UsageException("No layer has a bottleneck adapter.",
                remedy: "Set mh_adapter or output_adapter, and leave fewer layers out.");
        if (model.Task.Classifies())
            foreach (var parameter in HeadParameters)
                Replace(parameter, parameter.Name, parameter.Name, inPlace: true, HeadFile);
        Allocate(start.IsTrainable);
        storedEntries = [.. Entries, .. model.Task.WritesText() ? HeadParameters.Select(StoredHead) : []];
        Initialize(start.Seed);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<AdapterEntry> StoredEntries => storedEntries;

    /// <inheritdoc/>
    public override IEnumerable<(string File, JsonObject Json)> Settings =>
    [
        (AdapterFiles.ConfigName, BottleneckKeys.Describe(config.ToJson(), Model, config)),
        .. Model.Task == ModelTask.FeatureExtraction ? []
            : ((string, JsonObject)[])[(HeadConfig, BottleneckKeys.Describe(HeadJson(), Model, config))],
    ];

    /// <inheritdoc/>
    public override IBlockAttachment? AtBlock(int depth) => blocks[depth];

    // Without a residual of its own a block hands on its input in place of what it was given, so silence changes
    // something there.
    /// <inheritdoc/>
    protected override bool IsIdle => !blocks.Any(b => b is { AddsToInput: true })
        && blocks.OfType<BottleneckBlock>()
        .All(b => IsZero(b.UpWeight) && IsZero(b.UpBias) || b.Scaling is { } scaling && IsZero(scaling));

    /// <inheritdoc/>
    protected override void MergeWeights() => throw MergeRefusal;

    /// <inheritdoc/>
    internal override UsageException MergeRefusal => new(
        "A bottleneck adapter cannot be merged: there is an activation in its middle, so no change of a weight does "
            + "the same.",
        remedy: "Keep it as an adapter.");

    /// <inheritdoc/>
    protected override void UnmergeWeights() => MergeWeights();

    private bool IsWanted(SubBlockPlace place) => !config.LeaveOut.Contains(BottleneckPlaces.LayerNumber(Model, place))
        && place.Kind switch
    {
        SubBlockKind.Attention => config.AfterAttention,
        SubBlockKind.FeedForward => config.AfterFeedForward,
        _ => false, // AdapterHub has none after a decoder's attention to its encoder
    };

    private BottleneckBlock NewBlock(SubBlockPlace place, Ops.Activation activation)
    {
        var path = BottleneckPlaces.Path(Model, place, config.AdapterName!);
        var (d, width) = (Model.Config.HiddenSize, config.WidthOf(BottleneckPlaces.LayerNumber(Model, place),
            Model.Config.HiddenSize));
        return new BottleneckBlock(config, activation, place.Depth)
        {
            DownWeight = Part("adapter_down.0.weight", width, d, StoredLayout.Matrix),
            DownBias = Part("adapter_down.0.bias", 1, width, StoredLayout.Vector),
            UpWeight = Part("adapter_up.weight", d, width, StoredLayout.Matrix),
            UpBias = Part("adapter_up.bias", 1, d, StoredLayout.Vector),
            Scaling = config.ScalingKind switch
            {
                BottleneckScaling.Learned => Part("scaling", 1, 1, StoredLayout.Vector),
                BottleneckScaling.Channel => Part("scaling", 1, d, StoredLayout.Vector),
                _ => null,
            },
        };

        Parameter Part(string part, int rows, int columns, StoredLayout layout) =>
            Add(new Parameter(part, rows, columns, layout) { Depth = place.Depth }, $"{path}.{part}", $"{path}.{part}",
                AdapterFile);
    }

    // A classifier is trained where it stands; a language model's head is stored, but stays the base's.
    private IEnumerable<Parameter> HeadParameters =>
        Model.Parameters.Where(p => !Model.Family.Names.IsInBackbone(p.Name));

    private static AdapterEntry StoredHead(Parameter parameter) =>
        new(parameter.TiedTo ?? parameter, parameter.Name, parameter.Name) { File = HeadFile, IsBase = true };

    private JsonObject HeadJson()
    {
        var labels = Model.Config.Labels is { Count: > 0 } given ? given : ["LABEL_0", "LABEL_1"];
        var ids = new JsonObject();
        for (var i = 0; i < labels.Count; i++) ids[labels[i]] = i;
        return new JsonObject { ["config"] = null, ["label2id"] = ids, ["name"] = null, ["num_labels"] = labels.Count };
    }

    private void Initialize(ulong seed)
    {
        for (var i = 0; i < Entries.Count; i++)
        {
            var parameter = Entries[i].Parameter;
            var values = new float[parameter.Count];
            var random = new RandomStream(seed, RandomPurpose.AdapterInitialization, (ulong)i);
            if (parameter.Name == "scaling") values.AsSpan().Fill(1);
            else if (parameter.Name is "adapter_down.0.weight" or "adapter_up.weight") Draw(random, values, parameter);
            else continue;
            HostValues.Upload(Model.Backend, values, parameter.Value);
        }
    }

    private void Draw(RandomStream random, float[] values, Parameter parameter)
    {
        switch (config.Initialization)
        {
            case BottleneckInitialization.Bert:
                random.FillNormal(values, 0, 0.02);
                break;
            case BottleneckInitialization.Houlsby:
                FillTruncated(random, values);
                break;
            case BottleneckInitialization.MamAdapter when parameter.Name == "adapter_down.0.weight":
                var bound = 1 / MathF.Sqrt(parameter.Columns);
                random.FillUniform(values, -bound, bound);
                break;
        }
    }

    // Numbers beyond two deviations are drawn again, from a stretch of the stream of their own.
    private static void FillTruncated(RandomStream random, float[] values)
    {
        const double Deviation = 0.01;
        for (var i = 0; i < values.Length; i++)
        {
            var value = random.Normal((ulong)i);
            for (var retry = 1UL; Math.Abs(value) > 2; retry++)
                value = random.Normal((retry * (ulong)values.Length) + (ulong)i);
            values[i] = (float)(Deviation * value);
        }
    }
}
