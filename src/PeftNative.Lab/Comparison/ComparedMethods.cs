using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;

namespace PeftNative.Lab.Comparison;

/// <summary>
/// The methods a comparison knows, with usual settings and learning rates. The rates are published ones for models of
/// width 768; for other widths they are scaled by 768 / hidden_size, as the best rate of Adam goes with the inverse of
/// the width (Yang et al. 2022, arXiv:2203.03466). They are starting points that treat all methods alike, not the best
/// ones for every data set.
/// </summary>
public static class ComparedMethods
{
    /// <summary>All names; the methods first, then the baselines.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Methods.All.Select(m => m.Name)];

    /// <summary>The names of the methods that suit a model: a language model has no head of its own to train, and some
    /// models have no biases.</summary>
    public static IEnumerable<string> NamesFor(TransformerModel model) =>
        Methods.All.Where(m => m.Obstacle(model) is null).Select(m => m.Name);

    /// <summary>The kind of a method: its name up to a hyphen.</summary>
    public static string KindOf(string name) => name.Split('-', 2)[0];

    /// <summary>A method with its usual settings.</summary>
    /// <param name="name">One of <see cref="Names"/>, or one with a hyphen and anything behind it, so that a kind may
    /// take part with several settings.</param>
    /// <param name="model">The model it is for: its width decides the rate.</param>
    /// <param name="learningRate">Another rate, or null.</param>
    /// <exception cref="UsageException">There is no such method.</exception>
    public static ComparedMethod Create(string name, TransformerModel model, double? learningRate = null)
    {
        var found = Methods.All.FirstOrDefault(m => m.Name == KindOf(name)) ?? throw new UsageException(
            $"'{name}' is no method of a comparison.", remedy: $"There are: {string.Join(", ", Names)}.");
        var rate = learningRate ?? found.ComparedRate * UsualRates.Width / model.Config.HiddenSize;
        return new ComparedMethod(name, found.Compared with { BaseModel = model.Folder }, rate);
    }
}
