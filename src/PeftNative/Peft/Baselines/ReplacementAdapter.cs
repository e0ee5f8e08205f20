using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Baselines;

/// <summary>
/// Trains copies of the base's own parameters under their own names; the base stays as it is. Used by one thread at a
/// time, like its backend.
/// </summary>
public sealed class ReplacementAdapter : Adapter
{
    internal ReplacementAdapter(TransformerModel model, AdapterConfig config, AdapterStart start,
        Func<Parameter, bool> isTrained)
        : base(model, config, start.Name)
    {
        foreach (var parameter in model.Parameters.Where(p => p.TiedTo is null && isTrained(p)))
            Replace(parameter, parameter.Name, parameter.Name, inPlace: true);
        ShareEmbedding();
        Allocate(start.IsTrainable);
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
    internal static bool IsClassifier(TransformerModel model, Parameter parameter) => model.Task.Classifies()
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
