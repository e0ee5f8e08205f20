namespace PeftNative;

/// <summary>Why an adapter does not fit a model.</summary>
public enum AdapterMisfit
{
    /// <summary>It was made for a model whose modules have other names.</summary>
    OtherFamily,

    /// <summary>It was made for a model of the same family with other sizes or weights.</summary>
    OtherBase,

    /// <summary>It was made for another task, or another number of labels.</summary>
    OtherHead,

    /// <summary>It was trained with tokens that the base does not have.</summary>
    ResizedVocabulary,

    /// <summary>A later release wrote it, with settings or tensors that this version does not know.</summary>
    NewerFormat,

    /// <summary>Its method, or one of its settings, is known and not supported.</summary>
    NotSupported,

    /// <summary>Tensors are missing, or do not belong to its settings.</summary>
    Incomplete,

    /// <summary>It is a file of another program.</summary>
    OtherFormat,
}

/// <summary>What the reasons are called.</summary>
public static class AdapterMisfits
{
    private static readonly string[] Names =
    [
        "other family", "other base", "other head", "resized vocabulary", "newer format", "not supported",
        "incomplete", "other format",
    ];

    /// <summary>The reason in two words.</summary>
    public static string Title(this AdapterMisfit misfit) => Names[(int)misfit];
}
