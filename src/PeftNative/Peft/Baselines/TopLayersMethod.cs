using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Baselines;

/// <summary>
/// Settings of training the uppermost layers (of a decoder, where there is an encoder too): these, the norm above them,
/// and a classifier's head.
/// </summary>
public sealed record TopLayersConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override Method Method => TopLayersMethod.Page;

    /// <summary>num_layers: how many.</summary>
    public int LayerCount { get; init; } = 1;

    /// <inheritdoc/>
    public override TopLayersConfig Complete(TransformerModel model)
    {
        var all = model.Config.LayerCount;
        return LayerCount <= all ? this with { TaskType = model.Task.PeftName() }
            : throw new UsageException($"num_layers must be between 1 and {all}, not {LayerCount}.");
    }
}

/// <summary>The uppermost layers, and what stands on top of them.</summary>
internal static class TopLayersMethod
{
    private static readonly KeysOf<TopLayersConfig> Key = new();

    internal static readonly Method<TopLayersConfig> Page = new("top_layers", "TOP_LAYERS", "top_layers")
    {
        // As full fine-tuning, with a little more, as less of the model moves.
        TrainRates = new(1e-4, 1e-4, GoByWidth: true), ComparedRate = 1e-4,
        IsBaseline = true,
        Keys =
        [
            Key.Whole("num_layers", c => c.LayerCount, (c, v) => c with { LayerCount = v },
                "How many of the last layers.") with { Least = 1, Most = 10000 },
        ],
        Create = (model, config, start) =>
        {
            var first = model.Config.LayerCount - config.LayerCount;
            var lowest = model.Decoder.Blocks.First(b => b.Place.Layer == first).Depth;
            return new ReplacementAdapter(model, config, start, p => p.Depth >= lowest);
        },
    };
}
