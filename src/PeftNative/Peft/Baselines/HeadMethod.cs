using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Baselines;

/// <summary>Settings of training the head alone: none.</summary>
public sealed record HeadConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override Method Method => HeadMethod.Page;

    /// <inheritdoc/>
    public override HeadConfig Complete(TransformerModel model) => this with { TaskType = model.Task.PeftName() };
}

/// <summary>The head alone: a linear classifier on the model's fixed features.</summary>
internal static class HeadMethod
{
    internal static readonly Method<HeadConfig> Page = new("head", "HEAD", "head")
    {
        TrainRates = new(2e-2, 2e-2), ComparedRate = 1e-2, // measured
        IsBaseline = true,
        Obstacle = model => model.Task.Classifies() ? null
            : "A model that does not classify has no head of its own to train.",
        Keys = [],
        Create = (model, config, start) => new ReplacementAdapter(model, config, start,
            p => ReplacementAdapter.IsClassifier(model, p)),
    };
}
