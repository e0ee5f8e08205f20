using System.Text.Json.Nodes;
using PeftNative.Models;

namespace PeftNative.Peft;

/// <summary>Settings of full fine-tuning: none. Kept as an adapter so that it compares with the methods on equal terms.</summary>
public sealed record FullConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override string PeftType => "FULL";

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name) =>
        new ReplacementAdapter(model, this with { TaskType = TaskTypeOf(model.Task) }, trainable, name, _ => true);

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
        if (model.Task == ModelTask.CausalLm)
            throw new UsageException("A language model has no head of its own to train.", remedy: "Use another method.");
        var backbone = model.Family.Names.Backbone + ".";
        return new ReplacementAdapter(model, this with { TaskType = TaskTypeOf(model.Task) }, trainable, name,
            p => !p.Name.StartsWith(backbone, StringComparison.Ordinal));
    }

    /// <inheritdoc/>
    public override JsonObject ToJson() => CommonJson();
}

/// <summary>Trains copies of the base's own parameters under their own names; the base stays as it is.</summary>
public sealed class ReplacementAdapter : Adapter
{
    internal ReplacementAdapter(TransformerModel model, AdapterConfig config, bool trainable, string name, Func<Parameter, bool> isTrained)
        : base(model, config, name)
    {
        foreach (var parameter in model.Parameters.Where(p => p.TiedTo is null && isTrained(p)))
            Replace(parameter, parameter.Name, parameter.Name, inPlace: true);
        Allocate(trainable);
    }

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
