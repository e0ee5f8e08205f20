using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Baselines;

/// <summary>
/// Settings of BitFit (Ben Zaken et al. 2021, arXiv:2106.10199): all biases are trained, and a classifier's head.
/// </summary>
public sealed record BitFitConfig : AdapterConfig
{
    /// <inheritdoc/>
    public override Method Method => BitFitMethod.Page;

    /// <inheritdoc/>
    public override BitFitConfig Complete(TransformerModel model) => this with { TaskType = model.Task.PeftName() };
}

/// <summary>BitFit: all biases, and a classifier's head.</summary>
internal static class BitFitMethod
{
    internal static readonly Method<BitFitConfig> Page = new("bitfit", "BITFIT", "bitfit")
    {
        TrainRates = new(2e-3, 1e-3), ComparedRate = 1e-3, // the paper: 1e-4 to 1e-3; measured
        IsBaseline = true,
        Obstacle = model => model.Parameters.Any(IsBias) ? null
            : $"A {model.Config.ModelType} model has no biases to train.",
        Keys = [],
        Create = (model, config, start) => new ReplacementAdapter(model, config, start,
            p => IsBias(p) || ReplacementAdapter.IsClassifier(model, p)),
    };

    private static bool IsBias(Parameter parameter) => parameter.Name.EndsWith(".bias", StringComparison.Ordinal);
}
