using System.Text.Json;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Json;

/// <summary>
/// A JSON object read with type checks. <c>GetX(key)</c> demands the key; <c>GetX(key, fallback)</c> and
/// <c>GetOptionalX(key)</c> treat a missing key and an explicit null alike. A wrong type is a <see
/// cref="ModelFormatException"/> that names the key, what was expected and what was found. Immutable and thread-safe.
/// </summary>
public sealed class StrictObject
{
    private readonly string? _path;

    internal StrictObject(JsonElement element, string file, string? path)
    {
        Element = element;
        File = file;
        _path = path;
    }

    /// <summary>The object itself, for what the getters do not cover.</summary>
    public JsonElement Element { get; }

    /// <summary>The file it came from, for messages.</summary>
    public string File { get; }

    /// <summary>The keys in the order of the file.</summary>
    public IEnumerable<string> Keys => Element.EnumerateObject().Select(p => p.Name);

    /// <summary>Whether the key is there with a value other than null.</summary>
    public bool Has(string key) => TryGet(key, out _);

    /// <summary>A whole number of 32 bits.</summary>
    public int GetInt(string key) => Required<int>(key, "a whole number", ToInt);

    /// <summary>A whole number of 32 bits, or the fallback.</summary>
    public int GetInt(string key, int fallback) => Has(key) ? GetInt(key) : fallback;

    /// <summary>A whole number of 32 bits, or null.</summary>
    public int? GetOptionalInt(string key) => Has(key) ? GetInt(key) : null;

    /// <summary>A whole number of 64 bits.</summary>
    public long GetLong(string key) => Required<long>(key, "a whole number", e =>
        e.ValueKind == JsonValueKind.Number && e.TryGetInt64(out var value) ? value : null);

    /// <summary>A finite number.</summary>
    public double GetDouble(string key) => Required<double>(key, "a finite number", ToDouble);

    /// <summary>A finite number, or the fallback.</summary>
    public double GetDouble(string key, double fallback) => Has(key) ? GetDouble(key) : fallback;

    /// <summary>A finite number, or null.</summary>
    public double? GetOptionalDouble(string key) => Has(key) ? GetDouble(key) : null;

    /// <summary>True or false.</summary>
    public bool GetBool(string key) => Required<bool>(key, "true or false", e =>
        e.ValueKind is JsonValueKind.True or JsonValueKind.False ? e.GetBoolean() : null);

    /// <summary>True or false, or the fallback.</summary>
    public bool GetBool(string key, bool fallback) => Has(key) ? GetBool(key) : fallback;

    /// <summary>Text.</summary>
    public string GetString(string key) => RequiredText(key, "text", ToText);

    /// <summary>Text, or the fallback.</summary>
    public string GetString(string key, string fallback) => GetOptionalString(key) ?? fallback;

    /// <summary>Text, or null.</summary>
    public string? GetOptionalString(string key) => Has(key) ? GetString(key) : null;

    /// <summary>A list of texts.</summary>
    public IReadOnlyList<string> GetStringList(string key) =>
        RequiredText(key, "a list of texts", e => ToList(e, ToText));

    /// <summary>A list of texts, or null.</summary>
    public IReadOnlyList<string>? GetOptionalStringList(string key) => Has(key) ? GetStringList(key) : null;

    /// <summary>A list of whole numbers.</summary>
    public IReadOnlyList<int> GetIntList(string key) =>
        RequiredText(key, "a list of whole numbers", e =>
            ToList(e, i => ToInt(i) is { } v ? (object)v : null)?.ConvertAll(o => (int)o));

    /// <summary>A list of finite numbers.</summary>
    public IReadOnlyList<double> GetDoubleList(string key) =>
        RequiredText(key, "a list of numbers", e =>
            ToList(e, i => ToDouble(i) is { } v ? (object)v : null)?.ConvertAll(o => (double)o));

    /// <summary>An object in the object.</summary>
    public StrictObject GetObject(string key) => RequiredText(key, "an object", e =>
        e.ValueKind == JsonValueKind.Object ? new StrictObject(e, File, Place(key)) : null);

    /// <summary>An object in the object, or null.</summary>
    public StrictObject? GetOptionalObject(string key) => Has(key) ? GetObject(key) : null;

    /// <summary>The error for a value that has the right type but makes no sense.</summary>
    public ModelFormatException Error(string key, string what, string? remedy = null) =>
        new(what, $"{File}, key '{Place(key)}'", remedy);

    private bool TryGet(string key, out JsonElement value) =>
        Element.TryGetProperty(key, out value) && value.ValueKind != JsonValueKind.Null;

    private T Required<T>(string key, string expected, Func<JsonElement, T?> read) where T : struct =>
        read(Find(key, expected)) ?? throw Mismatch(key, expected);

    private T RequiredText<T>(string key, string expected, Func<JsonElement, T?> read) where T : class =>
        read(Find(key, expected)) ?? throw Mismatch(key, expected);

    private JsonElement Find(string key, string expected) => Element.TryGetProperty(key, out var value) ? value
        : throw Error(key, $"The key '{Message.Clip(key)}' is missing; {expected} is expected.");

    private ModelFormatException Mismatch(string key, string expected) =>
        Error(key, $"'{Message.Clip(key)}' must be {expected}, found {Describe(Element.GetProperty(key))}.");

    private string Place(string key) => _path is null ? Message.Clip(key) : $"{_path}.{Message.Clip(key)}";

    private static string Describe(JsonElement e) => e.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => $"the text \"{Message.Clip(e.GetString()!)}\"",
        _ => Message.Clip(e.GetRawText()),
    };

    private static int? ToInt(JsonElement e) =>
        e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out var value) ? value : null;

    private static double? ToDouble(JsonElement e) =>
        e.ValueKind == JsonValueKind.Number && e.TryGetDouble(out var value) && double.IsFinite(value) ? value : null;

    private static string? ToText(JsonElement e) => e.ValueKind == JsonValueKind.String ? e.GetString() : null;

    private static List<T>? ToList<T>(JsonElement e, Func<JsonElement, T?> read) where T : class
    {
        if (e.ValueKind != JsonValueKind.Array) return null;
        var list = new List<T>(e.GetArrayLength());
        foreach (var item in e.EnumerateArray())
            if (read(item) is { } value) list.Add(value);
            else return null;
        return list;
    }
}
