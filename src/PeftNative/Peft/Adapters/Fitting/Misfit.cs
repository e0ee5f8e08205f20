namespace PeftNative.Peft.Adapters.Fitting;

/// <summary>What speaks against an adapter on a model.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Reason">The reason, as a part of a sentence.</param>
internal sealed record Misfit(AdapterMisfit Kind, string Reason)
{
    /// <summary>What to do about it.</summary>
    /// <param name="folder">The adapter.</param>
    internal string Remedy(string folder)
    {
        var own = BaseIdentity.NamedBase(folder) is { } named
            ? $"Use its own base, {named}." : "Use the base it was made for.";
        return Kind switch
        {
            AdapterMisfit.OtherHead =>
                $"{own} Task and number of labels must be those it was trained with.",
            AdapterMisfit.ResizedVocabulary =>
                "It was trained with added tokens, and neither its tensors nor a tokenizer in its folder say how to "
                + "make all of the base grow: resize the base's token embeddings, save it, and give that folder as "
                + "the model.",
            AdapterMisfit.NewerFormat => $"Save it with PEFT {AdapterConfig.FormatVersion}, or use a newer version "
                + "of this program.",
            AdapterMisfit.Incomplete => $"Get all its files again from one place. {own}",
            _ => own,
        };
    }

    /// <summary>The error of loading.</summary>
    /// <param name="modelType">The model's family.</param>
    /// <param name="details">What is wrong in the files, in sentences.</param>
    /// <param name="where">The file or folder.</param>
    /// <param name="folder">The adapter.</param>
    /// <param name="inner">What led to it.</param>
    internal ModelFormatException ToError(
        string modelType, string details, string where, string folder, Exception? inner = null) =>
        new ModelFormatException($"The adapter does not fit this {modelType} model: {Reason}. {details}", where,
            Remedy(folder), inner).As(Kind);
}
