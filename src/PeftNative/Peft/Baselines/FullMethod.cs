using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Baselines;

/// <summary>
/// Settings of full fine-tuning: none. Kept as an adapter so that it compares with the methods on equal terms.
/// </summary>
public sealed record FullConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override Method Method => FullMethod.Page;

    /// <inheritdoc/>
    public override FullConfig Complete(TransformerModel model) => this with { TaskType = model.Task.PeftName() };
}

/// <summary>Full fine-tuning: every parameter is trained.</summary>
internal static class FullMethod
{
    internal static readonly Method<FullConfig> Page = new("full", "FULL", "full")
    {
        // Devlin et al. 2018 (arXiv:1810.04805): 2e-5 to 5e-5; measured, 5e-5 to 2e-4 at 384.
        TrainRates = new(5e-5, 5e-5, GoByWidth: true), ComparedRate = 5e-5,
        IsBaseline = true,
        Keys = [],
        Create = (model, config, start) => new ReplacementAdapter(model, config, start, _ => true),
    };
}
