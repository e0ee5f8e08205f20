namespace PeftNative.Data.Reading;

/// <summary>How the bytes of a data file become records. Immutable.</summary>
public sealed record ReadOptions
{
    /// <summary>Everything as the file itself says.</summary>
    public static ReadOptions Default { get; } = new();

    /// <summary>
    /// The name of the character encoding, such as <c>latin1</c> or <c>windows-1252</c>; null for UTF-8, or what the
    /// mark at the start of the file says.
    /// </summary>
    public string? Encoding { get; init; }

    /// <summary>Whether csv and tsv have no header; their columns are named 1, 2, 3... then.</summary>
    public bool IsWithoutHeader { get; init; }

    /// <summary>Receives what a person should know about how a file was read, a sentence each; null for
    /// nobody.</summary>
    public ICollection<string>? Notes { get; init; }
}
