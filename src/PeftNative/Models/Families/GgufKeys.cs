using PeftNative.Formats.Gguf;

namespace PeftNative.Models.Families;

/// <summary>The keys of a GGUF file that belong to its architecture. Immutable, thread-safe.</summary>
/// <param name="values">All values of the file.</param>
/// <param name="architecture">general.architecture, which the keys begin with.</param>
internal readonly struct GgufKeys(GgufValues values, string architecture)
{
    private const int Largest = 1 << 24;

    /// <summary>A size that must be there.</summary>
    internal int Size(string key) => Optional(key) ?? throw Error(key, "is missing");

    /// <summary>A size, or null.</summary>
    internal int? Optional(string key) => values.Integer(Full(key)) is not { } size ? null
        : size is > 0 and <= Largest ? (int)size
        : throw Error(key, $"must be between 1 and {Largest}, found {size}");

    /// <summary>A number, or null.</summary>
    internal double? Number(string key) => values.Number(Full(key));

    /// <summary>A positive number that must be there.</summary>
    internal double Required(string key) => Number(key) is not { } number ? throw Error(key, "is missing")
        : number > 0 ? number : throw Error(key, $"must be positive, found {number}");

    /// <summary>A text, or null.</summary>
    internal string? Text(string key) => values.Text(Full(key));

    /// <summary>The whole name of a key.</summary>
    internal string Full(string key) => $"{architecture}.{key}";

    /// <summary>The error for a value that is not what it must be.</summary>
    internal ModelFormatException Error(string key, string what, string? remedy = null) =>
        values.Error(Full(key), what, remedy);
}
