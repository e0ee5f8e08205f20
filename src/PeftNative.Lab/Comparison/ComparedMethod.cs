using PeftNative.Peft.Adapters;

namespace PeftNative.Lab.Comparison;

/// <summary>A way to adapt a model that takes part in a comparison.</summary>
/// <param name="Name">Its name in tables: lora, prefix, full, ...</param>
/// <param name="Config">Its settings.</param>
/// <param name="LearningRate">The highest learning rate of its runs.</param>
public sealed record ComparedMethod(string Name, AdapterConfig Config, double LearningRate)
{
    /// <summary>
    /// Whether it trains the model's own parameters, or some of them, instead of adding an adapter: what the methods
    /// are compared with.
    /// </summary>
    public bool IsBaseline => Config.Method.IsBaseline;
}
