using PeftNative.Models.Weights;

namespace PeftNative.Peft.Adapters;

/// <summary>A parameter of an adapter under its two names.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="Key">Its key in the adapter's file.</param>
/// <param name="QualifiedName">Its name in the reference's module tree, with the adapter's name in it.</param>
/// <param name="ReplacesInPlace">Whether the reference trains the base's own tensor here, so that it does not count as
/// an addition.</param>
public sealed record AdapterEntry(Parameter Parameter, string Key, string QualifiedName, bool ReplacesInPlace = false)
{
    /// <summary>The file it lies in.</summary>
    public string File { get; init; } = AdapterFiles.WeightsName;

    /// <summary>
    /// Whether it is the base's own tensor, stored along but not changed: a file that holds another one is of another
    /// base.
    /// </summary>
    public bool IsBase { get; init; }
}
