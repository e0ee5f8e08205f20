using System.Text.Json.Nodes;
using PeftNative.Models;
using PeftNative.Models.Weights;

namespace PeftNative.Peft;

/// <summary>
/// Settings of full fine-tuning: none. Kept as an adapter so that it compares with the methods on equal terms.
/// </summary>
public sealed record FullConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override string PeftType => "FULL";

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name) =>
        new ReplacementAdapter(model, this with { TaskType = model.Task.PeftName() }, trainable, name, _ => true);

    /// <inheritdoc/>
    public override JsonObject ToJson() => CommonJson();
}

/// <summary>Settings of training the head alone: none.</summary>
public sealed record HeadConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override string PeftType => "HEAD";

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name)
    {
        if (model.Task.WritesText())
            throw new UsageException("A language model has no head of its own to train.",
                remedy: "Use another method.");
        return new ReplacementAdapter(model, this with { TaskType = model.Task.PeftName() }, trainable, name,
            p => ReplacementAdapter.IsClassifier(model, p));
    }

    /// <inheritdoc/>
    public override JsonObject ToJson() => CommonJson();
}

/// <summary>
/// Settings of BitFit (Ben Zaken et al. 2021, arXiv:2106.10199): all biases are trained, and a classifier's head.
/// </summary>
public sealed record BitFitConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override string PeftType => "BITFIT";

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name)
    {
        if (!HasBiases(model))
            throw new UsageException($"A {model.Config.ModelType} model has no biases to train.",
                remedy: "Use another method.");
        return new ReplacementAdapter(model, this with { TaskType = model.Task.PeftName() }, trainable, name,
            p => IsBias(p) || ReplacementAdapter.IsClassifier(model, p));
    }

    /// <inheritdoc/>
    public override JsonObject ToJson() => CommonJson();

    /// <summary>Whether a model has biases to train.</summary>
    public static bool HasBiases(TransformerModel model) => model.Parameters.Any(IsBias);

    private static bool IsBias(Parameter parameter) => parameter.Name.EndsWith(".bias", StringComparison.Ordinal);
}

/// <summary>
/// Settings of training the uppermost layers (of a decoder, where there is an encoder too): these, the norm above them,
/// and a classifier's head.
/// </summary>
public sealed record TopLayersConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override string PeftType => "TOP_LAYERS";

    /// <summary>num_layers: how many.</summary>
    public int LayerCount { get; init; } = 1;

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name)
    {
        var all = model.Config.LayerCount;
        if (LayerCount < 1 || LayerCount > all)
            throw new UsageException($"num_layers must be between 1 and {all}, not {LayerCount}.");
        var lowest = model.Decoder.Blocks.First(b => b.Place.Layer == all - LayerCount).Depth;
        return new ReplacementAdapter(model, this with { TaskType = model.Task.PeftName() }, trainable, name,
            p => p.Depth >= lowest);
    }

    /// <inheritdoc/>
    public override JsonObject ToJson()
    {
        var json = CommonJson();
        json["num_layers"] = LayerCount;
        return json;
    }
}

/// <summary>
/// Trains copies of the base's own parameters under their own names; the base stays as it is. Used by one thread at a
/// time, like its backend.
/// </summary>
public sealed class ReplacementAdapter : Adapter
{
    internal ReplacementAdapter(TransformerModel model, AdapterConfig config, bool trainable, string name,
        Func<Parameter, bool> isTrained)
        : base(model, config, name)
    {
        foreach (var parameter in model.Parameters.Where(p => p.TiedTo is null && isTrained(p)))
            Replace(parameter, parameter.Name, parameter.Name, inPlace: true);
        ShareEmbedding();
        Allocate(trainable);
    }

    /// <inheritdoc/>
    public override void ReleaseBase()
    {
        if (IsMerged || Model.Parameters.Any(p => p.TiedTo is null && Replacement(p.Index) is null)) return;
        foreach (var parameter in Model.Parameters.Where(p => p.TiedTo is null)) parameter.Quantized = null;
        foreach (var parameter in Model.Parameters)
            parameter.Value = Replacement((parameter.TiedTo ?? parameter).Index)!.Value;
        Model.Weights.Dispose();
    }

    /// <summary>Whether a parameter belongs to a classifier on top of the model.</summary>
    internal static bool IsClassifier(TransformerModel model, Parameter parameter) => !model.Task.WritesText()
        && !model.Family.Names.IsInBackbone(parameter.Name);

    /// <inheritdoc/>
    protected override bool IsIdle => true; // its replacements are all there is

    /// <inheritdoc/>
    protected override void MergeWeights()
    {
        // Every parameter is a replacement, which Merge exchanges.
    }

    /// <inheritdoc/>
    protected override void UnmergeWeights()
    {
        // Likewise.
    }
}
