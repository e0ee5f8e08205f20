using System.Globalization;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Gguf;

/// <summary>A value of a GGUF file.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Content">A number, bool or string of that kind or, of an array, an array of them (of arrays:
/// GgufValue[]).</param>
internal sealed record GgufValue(GgufKind Kind, object Content)
{
    private const int Shown = 8;

    /// <summary>The number of entries of an array, else 1.</summary>
    internal int Count => Content is Array array ? array.Length : 1;

    /// <summary>The value in short, for people.</summary>
    public override string ToString() => Content switch
    {
        Array array => $"[{string.Join(", ", array.Cast<object>().Take(Shown).Select(Show))}"
            + (array.Length > Shown ? $", ... {array.Length} in all]" : "]"),
        var one => Show(one),
    };

    private static string Show(object value) => value is string text ? Message.Clip(text)
        : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
}

/// <summary>The values of a GGUF file, by key. Immutable, thread-safe.</summary>
internal sealed class GgufValues(IReadOnlyDictionary<string, GgufValue> values, string file)
{
    private const int Tokens = 1 << 24;

    /// <summary>All of them, in the file's order.</summary>
    internal IReadOnlyDictionary<string, GgufValue> All => values;

    /// <summary>The file, for errors.</summary>
    internal string File => file;

    /// <summary>Whether a key is there.</summary>
    internal bool Has(string key) => values.ContainsKey(key);

    /// <summary>A text, or null where the key is absent.</summary>
    internal string? Text(string key) => Get<string>(key, "a text");

    /// <summary>A whole number, or null.</summary>
    internal long? Integer(string key) => !values.TryGetValue(key, out var value) ? null
        : value.Content is byte or sbyte or ushort or short or uint or int or long or ulong and <= long.MaxValue
            ? Convert.ToInt64(value.Content, CultureInfo.InvariantCulture)
        : throw Error(key, $"must be a whole number, found {value}");

    /// <summary>A number, or null.</summary>
    internal double? Number(string key) => !values.TryGetValue(key, out var value) ? null
        : value.Content is string or bool or Array ? throw Error(key, $"must be a number, found {value}")
        : Convert.ToDouble(value.Content, CultureInfo.InvariantCulture) is var number && double.IsFinite(number)
            ? number : throw Error(key, $"must be a finite number, found {value}");

    /// <summary>True or false, or null.</summary>
    internal bool? Flag(string key) => !values.TryGetValue(key, out var value) ? null
        : value.Content as bool? ?? throw Error(key, $"must be true or false, found {value}");

    /// <summary>Texts, or null.</summary>
    internal string[]? Texts(string key) => Get<string[]>(key, "a list of texts");

    /// <summary>Numbers in single precision, or null.</summary>
    internal float[]? Floats(string key) => Get<float[]>(key, "a list of numbers in single precision");

    /// <summary>Whole numbers, or null.</summary>
    internal int[]? Integers(string key) => !values.TryGetValue(key, out var value) ? null : value.Content switch
    {
        int[] numbers => numbers,
        uint[] numbers when Array.TrueForAll(numbers, n => n <= int.MaxValue) =>
            Array.ConvertAll(numbers, n => (int)n),
        _ => throw Error(key, $"must be a list of whole numbers of 32 bits, found {value}"),
    };

    /// <summary>The error for a value that is not what it must be.</summary>
    internal ModelFormatException Error(string key, string what, string? remedy = null) =>
        new($"'{Message.Clip(key)}' {what}.", $"{file}, field '{Message.Clip(key)}'", remedy);

    /// <summary>
    /// The number of a special token, such as <c>eos</c>, or null: llama.cpp writes the largest number where there is
    /// none.
    /// </summary>
    internal int? Token(string name)
    {
        var key = TokenKey(name);
        return Integer(key) switch
        {
            null or uint.MaxValue => null,
            >= 0 and < Tokens and var id => (int)id,
            var id => throw Error(key, $"must be the number of a token, found {id}"),
        };
    }

    /// <summary>The key of a special token's number.</summary>
    internal static string TokenKey(string name) => $"tokenizer.ggml.{name}_token_id";

    private T? Get<T>(string key, string what)
        where T : class => !values.TryGetValue(key, out var value) ? null
        : value.Content as T ?? throw Error(key, $"must be {what}, found {value}");
}
